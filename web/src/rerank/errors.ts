/**
 * Every error of the library, in one tree. An aborted call rejects with its signal's reason instead.
 *
 * Names are written out, for bundlers shorten those of classes.
 *
 * YesrankError          message and, where there is one, the next step to take
 * ├── InputError        a query, document or option of the caller (`field` names it)
 * ├── ModelError        a model folder that is missing, damaged or no reranker
 * └── DeviceError       a device that is absent or cannot run the variant; a run that failed
 */
export class YesrankError extends Error {
  /** The next step to take, if there is one. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "YesrankError";
    this.hint = hint;
  }
}

/** Bad input from the caller. */
export class InputError extends YesrankError {
  /** The argument at fault. */
  readonly field: string;

  constructor(field: string, message: string, hint?: string) {
    super(`${field}: ${message}`, hint);
    this.name = "InputError";
    this.field = field;
  }
}

/** A model folder that cannot be used. */
export class ModelError extends YesrankError {
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, hint, options);
    this.name = "ModelError";
  }
}

/** A device that is absent or cannot run the variant, or a run that failed. */
export class DeviceError extends YesrankError {
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, hint, options);
    this.name = "DeviceError";
  }
}
