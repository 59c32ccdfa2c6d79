/** What a server needs to serve TLS, in PEM. */
export interface ServingCertificate {
  certificate: string;
  /** Never logged. */
  key: string;
}

/** Where a server finds its certificate, and hears of the next one. */
export interface CertificateSource {
  /** Undefined: none yet. */
  current: () => ServingCertificate | undefined;
  /** Called at each change from now on, until the returned function is called. */
  onChange: (listener: () => void) => () => void;
}
