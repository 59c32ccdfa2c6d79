import { podNetwork } from './network.ts';

/** kubelet.config.k8s.io/v1beta1; JSON is YAML too. */
export function kubeletConfiguration(): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    // Without systemd in the guest there is nothing else that could manage cgroups.
    cgroupDriver: 'cgroupfs',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/kubernetes/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/kubelet.key',
    // Nothing answers there; set so that kubelet does not write an event about it for every pod.
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    failSwapOn: false,
    serializeImagePulls: false,
    // The images that were imported cannot be pulled again.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '2%', 'imagefs.available': '2%' },
  });
}

/** For iptables mode; the limits on connection tracking cannot be set in a network namespace. */
export const kubeProxyArguments: readonly string[] = [
  '--proxy-mode=iptables',
  `--cluster-cidr=${podNetwork}`,
  '--conntrack-max-per-core=0',
  '--conntrack-tcp-timeout-established=0',
  '--conntrack-tcp-timeout-close-wait=0',
];

/** The list that containerd reads from /etc/cni/net.d: one bridge per node, addresses from the node's subnet. */
export function cniConfiguration(podSubnet: string): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'testbed',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        // Every other party has a route to the pods, so that they are seen with their own addresses.
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: podSubnet }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}
