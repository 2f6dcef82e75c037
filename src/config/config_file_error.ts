/**
 * Why a configuration file cannot be used. Apart from what reads it, which whoever tells of it does not have
 * to load.
 */

/** A file that cannot be used at all. What is wrong within a file is a YamlError. */
export class ConfigFileError extends Error {
  override name = "ConfigFileError";
  constructor(readonly path: string, readonly reason: string, options?: ErrorOptions) {
    super(`Cannot use the configuration file ${path}: ${reason}`, options);
  }
}
