interface Reservation {
  /** A name, or a prefix that ends with `*`. */
  pattern: string;
  owner: string;
}

/**
 * Names that something else on a node loads and relies on. A profile of ours under such a name would at once re-confine what
 * runs under it: every default container, every snap, the kernel's own `unconfined`.
 */
const RESERVATIONS: readonly Reservation[] = [
  { pattern: 'unconfined', owner: 'the kernel' },
  // Learning profiles; the kernel makes them at will and the agent passes over them.
  { pattern: 'null-*', owner: 'the kernel' },
  { pattern: 'cri-containerd.apparmor.d', owner: 'containerd' },
  { pattern: 'crio-default', owner: 'CRI-O' },
  // CRI-O before 1.19 put its version behind the name.
  { pattern: 'crio-default-*', owner: 'CRI-O' },
  { pattern: 'docker-default', owner: 'Docker' },
  { pattern: 'containers-default-*', owner: 'Podman, Buildah and CRI-O (containers/common)' },
  { pattern: 'libpod-default*', owner: 'Podman before 2.0' },
  { pattern: 'nerdctl-default', owner: 'nerdctl' },
  { pattern: 'buildkit-default', owner: 'BuildKit' },
  { pattern: 'kubearmor-*', owner: 'KubeArmor' },
  { pattern: 'kubearmor.*', owner: 'KubeArmor' },
  { pattern: 'varmor-*', owner: 'vArmor' },
  { pattern: 'snap.*', owner: 'snapd' },
  { pattern: 'snap-update-ns.*', owner: 'snapd' },
  { pattern: 'snap-confine*', owner: 'snapd' },
  { pattern: 'lxc-*', owner: 'LXC' },
  { pattern: 'lxd-*', owner: 'LXD' },
  { pattern: 'lxd_*', owner: 'LXD' },
  { pattern: 'incus-*', owner: 'Incus' },
  { pattern: 'incus_*', owner: 'Incus' },
  { pattern: 'libvirt-*', owner: 'libvirt' },
  { pattern: 'libvirtd', owner: 'libvirt' },
  { pattern: 'virt-aa-helper', owner: 'libvirt' },
  // Profiles of the distributions for what runs containers: under these names the runtime itself would be confined.
  { pattern: 'runc', owner: 'the node’s distribution' },
  { pattern: 'crun', owner: 'the node’s distribution' },
  { pattern: 'podman', owner: 'the node’s distribution' },
  { pattern: 'buildah', owner: 'the node’s distribution' },
  { pattern: 'rootlesskit', owner: 'the node’s distribution' },
  { pattern: 'slirp4netns', owner: 'the node’s distribution' },
  { pattern: 'ch-run', owner: 'the node’s distribution' },
  { pattern: 'ch-checkns', owner: 'the node’s distribution' },
  { pattern: 'unprivileged_userns', owner: 'the node’s distribution' },
  { pattern: 'unix-chkpwd', owner: 'the node’s distribution' },
  { pattern: 'lsb_release', owner: 'the node’s distribution' },
  { pattern: 'man_filter', owner: 'the node’s distribution' },
  { pattern: 'man_groff', owner: 'the node’s distribution' },
  { pattern: 'nvidia_modprobe', owner: 'the node’s distribution' },
];

/** Who a top-level profile name belongs to, if it is not free for policies of users. */
export function reservedFor(name: string): string | undefined {
  return RESERVATIONS.find(({ pattern }) => matches(pattern, name))?.owner;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
