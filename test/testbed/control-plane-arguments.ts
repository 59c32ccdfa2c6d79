import { join } from 'node:path';
import type { Certificate, CertificateAuthority } from './certificates.ts';

/** What the programs of a control plane are started with. */
export interface ControlPlaneFiles {
  folder: string;
  socketFolder: string;
  authority: CertificateAuthority;
  serving: Certificate;
  /** What the API server shows to kubelets. */
  kubeletClient: Certificate;
  serviceAccountKey: string;
}

export const serviceRange = '10.96.0.0/16';
/** The address of the Service `kubernetes`. */
export const firstServiceAddress = '10.96.0.1';

/** Unix sockets: no port that could be taken, nothing that other processes reach. */
export function etcdArguments(files: ControlPlaneFiles): string[] {
  return [
    `--data-dir=${join(files.folder, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${etcdUrl(files)}`,
    `--advertise-client-urls=${etcdUrl(files)}`,
    `--listen-peer-urls=${etcdUrl(files)}-peer`,
    `--initial-advertise-peer-urls=${etcdUrl(files)}-peer`,
    `--initial-cluster=default=${etcdUrl(files)}-peer`,
    '--log-level=warn',
  ];
}

export interface Listening {
  bindAddress: string;
  port: number;
}

export function apiServerArguments(files: ControlPlaneFiles, listening: Listening, loopback: boolean): string[] {
  return [
    `--etcd-servers=${etcdUrl(files)}`,
    `--bind-address=${listening.bindAddress}`,
    `--secure-port=${listening.port}`,
    `--advertise-address=${listening.bindAddress}`,
    // Endpoints of the Service `kubernetes` may not be loopback addresses.
    ...(loopback ? ['--endpoint-reconciler-type=none'] : []),
    `--tls-cert-file=${files.serving.certificate}`,
    `--tls-private-key-file=${files.serving.key}`,
    `--client-ca-file=${files.authority.certificate}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged',
    `--service-cluster-ip-range=${serviceRange}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${files.serviceAccountKey}`,
    `--service-account-signing-key-file=${files.serviceAccountKey}`,
    `--kubelet-client-certificate=${files.kubeletClient.certificate}`,
    `--kubelet-client-key=${files.kubeletClient.key}`,
    // Node names cannot be looked up here: exec and logs would fail on them.
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

export function controllerManagerArguments(files: ControlPlaneFiles, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--secure-port=0',
    '--leader-elect=false',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${files.serviceAccountKey}`,
    `--root-ca-file=${files.authority.certificate}`,
    `--cluster-signing-cert-file=${files.authority.certificate}`,
    `--cluster-signing-key-file=${files.authority.key}`,
    `--service-cluster-ip-range=${serviceRange}`,
  ];
}

export function schedulerArguments(kubeconfig: string): string[] {
  return [`--kubeconfig=${kubeconfig}`, '--secure-port=0', '--leader-elect=false'];
}

function etcdUrl(files: ControlPlaneFiles): string {
  return `unix://${join(files.socketFolder, 'etcd.sock')}`;
}
