/*
 * The program is written for Node.js 24; the command line also runs on what people have. What 20 lacks of what it uses is
 * added here, before anything else is loaded.
 */
// oxlint-disable-next-line typescript/unbound-method -- asked for, not called
Promise.withResolvers ??= function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: PromiseWithResolvers<T>['resolve'];
  let reject!: PromiseWithResolvers<T>['reject'];
  const promise = new Promise<T>((resolveIt, rejectIt) => {
    resolve = resolveIt;
    reject = rejectIt;
  });
  return { promise, resolve, reject };
};
