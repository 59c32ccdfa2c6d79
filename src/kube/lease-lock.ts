import type { KubeClient } from './client.ts';
import type { Clock } from './clock.ts';
import { isNotFound } from './errors.ts';
import { microTime } from './micro-time.ts';
import { LEASES } from './resource.ts';

export interface LeaseLockOptions {
  client: KubeClient;
  namespace: string;
  name: string;
  identity: string;
  leaseSeconds: number;
  clock: Clock;
}

export interface Lease {
  metadata: { name: string; namespace: string; resourceVersion?: string };
  spec?: LeaseSpec;
}

export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/**
 * One Lease as this process knows it. Another's counts as expired once it was seen unchanged for its whole duration by our
 * own clock: clocks of machines need not agree.
 */
export class LeaseLock {
  readonly #options: LeaseLockOptions;
  #seen: Lease | undefined;
  #seenAt = 0;
  /** Whether `#seen` is our own last write, and nothing has failed since: then the next write needs no read. */
  #current = false;
  #heldSince = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseLockOptions) {
    this.#options = options;
  }

  /** `clock.now()` before the request that last got or renewed the lease: no one else waits from an earlier time. */
  heldSince(): number {
    return this.#heldSince;
  }

  holder(): string {
    return this.#seen?.spec?.holderIdentity ?? '';
  }

  /** Gets or renews the lease; false while another holds it. Throws KubeError; a conflict means that another was faster. */
  async tryHold(signal: AbortSignal): Promise<boolean> {
    const startedAt = this.#options.clock.now();
    const lease = await this.#read(signal);
    if (lease !== undefined && !this.#isFree(lease)) return false;
    await this.#write(this.#claim(lease), signal);
    this.#heldSince = startedAt;
    return true;
  }

  /** Lets another take the lease at once; nothing happens if it is not ours. */
  async release(signal: AbortSignal): Promise<void> {
    const lease = await this.#read(signal);
    if (lease === undefined || this.holder() !== this.#options.identity) return;
    const now = microTime(this.#options.clock.date());
    // The API server demands a duration above 0.
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
    await this.#write({ ...lease, spec }, signal);
    this.#current = false;
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#current) return this.#seen;
    const { client, namespace, name } = this.#options;
    try {
      this.#observe(await client.get<Lease>(LEASES, { namespace, name }, { signal }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#seen = undefined;
    }
    return this.#seen;
  }

  async #write(lease: Lease, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    // Until the answer is in, nobody knows whether the write happened: a failure makes the next try read first.
    this.#current = false;
    const written =
      lease.metadata.resourceVersion === undefined
        ? await client.create<Lease>(LEASES, lease, { signal })
        : await client.update<Lease>(LEASES, lease, { signal });
    this.#observe(written);
    this.#current = true;
  }

  #observe(lease: Lease): void {
    if (lease.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) {
      this.#seenAt = this.#options.clock.now();
    }
    this.#seen = lease;
  }

  #isFree(lease: Lease): boolean {
    const { holderIdentity = '', leaseDurationSeconds = this.#options.leaseSeconds } = lease.spec ?? {};
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true;
    return this.#options.clock.now() > this.#seenAt + leaseDurationSeconds * 1000;
  }

  #claim(lease: Lease | undefined): Lease {
    const { namespace, name, identity, leaseSeconds, clock } = this.#options;
    const now = microTime(clock.date());
    const renewal = { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: now };
    if (lease === undefined) {
      return { metadata: { namespace, name }, spec: { ...renewal, acquireTime: now, leaseTransitions: 0 } };
    }
    if (lease.spec?.holderIdentity === identity) return { ...lease, spec: { ...lease.spec, ...renewal } };
    const leaseTransitions = (lease.spec?.leaseTransitions ?? 0) + 1;
    return { ...lease, spec: { ...lease.spec, ...renewal, acquireTime: now, leaseTransitions } };
  }
}
