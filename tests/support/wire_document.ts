/**
 * The protocol, as docs/wire.md tells it and as it is compiled in: a name, and what it consists of.
 */
import type { DescField, DescFile } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";

/** Fields as `number name type`, values of enums as `number NAME`, methods as their names. */
export type Definitions = Readonly<Record<string, readonly string[]>>;

export function messagesOf(file: DescFile): Definitions {
  const found: Record<string, string[]> = {};
  for (const message of file.messages) found[message.name] = message.fields.map(fieldText).sort();
  for (const { name, values } of file.enums) {
    found[name] = values.map(({ number, localName }) => `${number} ${localName}`).sort();
  }
  for (const { name, methods } of file.services) found[name] = methods.map((method) => method.name).sort();
  return found;
}

function fieldText(field: DescField): string {
  // The members of the one oneof are told by their names, and their types follow from these.
  const type = field.oneof === undefined ? ` ${typeText(field)}` : "";
  return `${field.number} ${field.name}${type}`;
}

function typeText(field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
      return ScalarType[field.scalar].toLowerCase();
    case "enum":
      return field.enum.name;
    case "message":
      return { Timestamp: "Ts", Duration: "Dur" }[field.message.name] ?? field.message.name;
    case "list":
      return `repeated ${field.listKind === "message" ? field.message.name : listItem(field)}`;
    case "map":
      return "map<string, string>";
  }
}

function listItem(field: DescField & { fieldKind: "list" }): string {
  return field.listKind === "enum" ? field.enum.name : ScalarType[field.scalar!].toLowerCase();
}

/** The page's part about our own package, and the rest of it: both have a ListJobs. */
export function splitByPackage(page: string): { job: string; airunner: string } {
  const start = page.indexOf("\n## Our own calls, airunner.v1\n");
  if (start < 0) throw new RangeError("The page has no section about our own calls");
  const end = page.indexOf("\n## ", start + 1);
  return {
    job: page.slice(0, start) + (end < 0 ? "" : page.slice(end)),
    airunner: page.slice(start, end < 0 ? undefined : end),
  };
}

/** What the page's tables of messages, enums and services say. */
export function documentedMessages(page: string): Definitions {
  const found: Record<string, string[]> = {};
  for (const [, name, cell] of page.matchAll(/^\| ([A-Z]\w+) \| (.*)\|$/gm)) {
    if (name.endsWith("Service")) {
      const [, methods] = /^(.*?) \|/.exec(cell)!;
      found[name] = [...found[name] ?? [], ...methods.split(", ")].sort();
    } else if (/^\d |^\*\*ours|^$/.test(cell.trim())) {
      found[name] = cell.split("·").map(entryText).filter((entry) => entry !== "").sort();
    }
  }
  return found;
}

/** Without marks and remarks: "**ours** 3 job_id string", "3 runtime string, `docker` or `podman`". */
function entryText(entry: string): string {
  const text = entry.replace("**ours**", "").replace(/one of the following, event_data: /, "").trim();
  return text.replace(/(?<!<string), .*$/, "").replace(/\. The message of each.*$/, "");
}
