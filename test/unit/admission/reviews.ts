/** An AdmissionReview as the API server sends it. */
export function review(request: object = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'uid-1',
      kind: { group: 'apparmor-operator.dev', version: 'v1alpha1', kind: 'AppArmorProfile' },
      resource: { group: 'apparmor-operator.dev', version: 'v1alpha1', resource: 'apparmorprofiles' },
      operation: 'CREATE',
      userInfo: { username: 'somebody', groups: ['system:authenticated'] },
      ...request,
    },
  };
}
