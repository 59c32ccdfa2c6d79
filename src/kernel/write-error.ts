/** The kernel refused a policy, or its removal. `message` says what, `remedy` what the administrator of the node can do. */
export class KernelWriteError extends Error {
  override readonly name = 'KernelWriteError';
  readonly operation: 'load' | 'remove';
  /** errno name, such as EACCES. */
  readonly code: string;
  readonly remedy: string;

  constructor(operation: 'load' | 'remove', code: string, cause?: unknown) {
    const { what, remedy } = MEANINGS[code] ?? UNKNOWN_MEANING;
    const verb = operation === 'load' ? 'take the policy' : 'remove the profile';
    super(`the kernel did not ${verb} (${code}): ${what}`, cause === undefined ? undefined : { cause });
    this.operation = operation;
    this.code = code;
    this.remedy = remedy;
  }
}

interface Meaning {
  what: string;
  remedy: string;
}

const NO_RIGHT: Meaning = {
  what: 'no right to change policy',
  remedy: 'run the agent with CAP_MAC_ADMIN, unconfined, and with apparmor.lock_policy off',
};

const UNKNOWN_MEANING: Meaning = { what: 'unexpected error', remedy: "look into the node's kernel log" };

/**
 * By errno. Measured on 6.12: EACCES from a confined process, EPROTO for a truncated policy, EPROTONOSUPPORT for junk,
 * ENOENT when removing an unknown name. The others are what security/apparmor returns by its source.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: { what: 'securityfs is mounted read-only', remedy: 'mount /sys/kernel/security writable into the agent' },
  ENOMEM: { what: 'out of memory', remedy: 'free memory on the node, or make the policy smaller' },
  EPROTO: {
    what: 'the compiled policy is not valid',
    remedy: 'the policy uses what this kernel cannot read: simplify it',
  },
  EPROTONOSUPPORT: {
    what: 'this kernel does not know the form of the compiled policy',
    remedy: 'update the kernel, or use an agent image whose apparmor_parser fits it',
  },
  EBADMSG: { what: 'the compiled policy is damaged', remedy: "delete the agent's state folder; it recompiles" },
  ENOENT: { what: 'no such profile, or AppArmor is gone from securityfs', remedy: 'nothing if it was to be removed' },
  EEXIST: { what: 'a profile of that name exists twice', remedy: 'give the profiles different names' },
  ENOSPC: { what: 'the policy is too large', remedy: 'make the policy smaller' },
  EIO: { what: 'the policy was not written in one piece', remedy: 'report it: this should not happen' },
};
