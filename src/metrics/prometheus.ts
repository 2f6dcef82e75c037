/**
 * What is used of prom-client. It is imported here by name, so that the program's pieces know the names of a
 * package that does not tell them itself; who needs it loads this file late.
 */
export { Counter, Gauge, Histogram, Registry } from "prom-client";
