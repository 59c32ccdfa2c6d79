import { keyOf } from './resource.ts';
import type { KubeObject } from './resource.ts';

/** Where a reflector puts what it hears. */
export interface ReflectorStore<T> {
  upsert(object: T): void;
  delete(object: T): void;
  /** Begins a full list: what is not upserted before `endList` no longer exists. A list that fails is begun anew. */
  beginList(): void;
  endList(): void;
}

export interface ObjectStoreOptions<T, P> {
  project: (object: T) => P | undefined;
  same?: (now: P, before: P) => boolean;
  onChange: (key: string, now: P | undefined, before: P | undefined) => void;
  onError: (error: unknown) => void;
}

interface Entry<P> {
  resourceVersion: string | undefined;
  value: P;
}

/** Projections by key. Each change is stored first and delivered then; nothing a callback throws gets out. */
export class ObjectStore<T extends KubeObject, P> implements ReflectorStore<T> {
  readonly #options: ObjectStoreOptions<T, P>;
  readonly #entries = new Map<string, Entry<P>>();
  #listed: Set<string> | undefined;

  constructor(options: ObjectStoreOptions<T, P>) {
    this.#options = options;
  }

  get(key: string): P | undefined {
    return this.#entries.get(key)?.value;
  }

  values(): P[] {
    return Array.from(this.#entries.values(), ({ value }) => value);
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  size(): number {
    return this.#entries.size;
  }

  upsert(object: T): void {
    const key = keyOf(object);
    this.#listed?.add(key);
    const resourceVersion = object.metadata?.resourceVersion;
    const before = this.#entries.get(key);
    if (before !== undefined && before.resourceVersion === resourceVersion) return;
    try {
      const value = this.#options.project(object);
      if (value === undefined) this.#deleteKey(key);
      else this.#set(key, { resourceVersion, value }, before);
    } catch (error) {
      // What was known of the object stays: a projection that fails is no deletion.
      this.#options.onError(error);
    }
  }

  delete(object: T): void {
    this.#deleteKey(keyOf(object));
  }

  beginList(): void {
    this.#listed = new Set();
  }

  endList(): void {
    const listed = this.#listed;
    this.#listed = undefined;
    if (listed === undefined) return;
    for (const key of this.#entries.keys()) {
      if (!listed.has(key)) this.#deleteKey(key);
    }
  }

  #set(key: string, now: Entry<P>, before: Entry<P> | undefined): void {
    if (before !== undefined && this.#options.same?.(now.value, before.value) === true) {
      before.resourceVersion = now.resourceVersion;
      return;
    }
    this.#entries.set(key, now);
    this.#deliver(key, now.value, before?.value);
  }

  #deleteKey(key: string): void {
    const before = this.#entries.get(key);
    if (before === undefined) return;
    this.#entries.delete(key);
    this.#deliver(key, undefined, before.value);
  }

  #deliver(key: string, now: P | undefined, before: P | undefined): void {
    try {
      this.#options.onChange(key, now, before);
    } catch (error) {
      this.#options.onError(error);
    }
  }
}
