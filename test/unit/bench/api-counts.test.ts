import { expect } from 'chai';
import {
  difference,
  quantile,
  readSamples,
  REQUESTS,
  shareWithin,
  totalOf,
  writesOf,
  type Sample,
} from '../../bench/api-counts.ts';

const EXPOSITION = `# HELP apiserver_request_total Counter
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",dry_run="",group="",resource="nodes",subresource="",verb="LIST",version="v1"} 9
apiserver_request_total{code="200",dry_run="",group="",resource="nodes",subresource="status",verb="PATCH",version="v1"} 4
apiserver_request_total{code="409",dry_run="",group="",resource="nodes",subresource="status",verb="PATCH",version="v1"} 1
apiserver_request_total{code="200",dry_run="All",group="",resource="pods",subresource="",verb="POST",version="v1"} 5
apiserver_request_total{code="200",dry_run="",group="coordination.k8s.io",resource="leases",subresource="",verb="PUT",version="v1"} 7
apiserver_request_total{code="201",dry_run="",group="",resource="serviceaccounts",subresource="token",verb="POST",version="v1"} 8
apiserver_request_total{code="201",dry_run="",group="authorization.k8s.io",resource="subjectaccessreviews",subresource="",verb="POST",version="v1"} 6
apiserver_request_total{code="200",dry_run="",group="apps",resource="controllerrevisions",subresource="",verb="APPLY",version="v1"} 1e+03
apiserver_request_total_other{verb="POST"} 3
up 1
`;

describe('bench/api-counts', () => {
  it('counts what is stored, whatever it was answered, without Leases, tokens, reviews and dry runs', () => {
    const writes = writesOf(readSamples(EXPOSITION, new Set([REQUESTS])));
    expect(Object.fromEntries(writes)).to.deep.equal({ 'nodes/status': 5, 'apps/controllerrevisions': 1000 });
  });

  it('reads only the names that were asked for, with quoted labels and without any', () => {
    expect(readSamples(EXPOSITION, new Set(['up']))).to.deep.equal([{ name: 'up', labels: {}, value: 1 }]);
    expect(readSamples('a{b="c\\"d, e"} 0.5\n', new Set(['a']))[0]?.labels).to.deep.equal({ b: 'c\\"d, e' });
  });

  it('tells what came in between', () => {
    const before = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    const after = new Map([
      ['a', 4],
      ['b', 2],
      ['c', 5],
    ]);
    const changes = difference(before, after);
    expect(changes).to.deep.equal([
      { what: 'c', count: 5 },
      { what: 'a', count: 3 },
    ]);
    expect(totalOf(changes.map(({ count }) => count))).to.equal(8);
  });

  it('estimates quantiles inside the bucket, of what came in between', () => {
    expect(quantile(histogram(10, 10, 10), histogram(110, 110, 110), 0.5)).to.be.closeTo(0.0025, 1e-9);
    expect(quantile(histogram(0, 0, 0), histogram(50, 100, 100), 0.99)).to.be.closeTo(0.0246, 1e-9);
    expect(quantile(histogram(0, 0, 0), histogram(50, 90, 100), 0.99)).to.equal(Infinity);
    expect(Number.isNaN(quantile(histogram(1, 1, 1), histogram(1, 1, 1), 0.99))).to.equal(true);
  });

  it('tells the share within a bound, of what came in between', () => {
    expect(shareWithin(histogram(10, 10, 10), histogram(85, 110, 110), 0.005)).to.equal(0.75);
    expect(Number.isNaN(shareWithin(histogram(1, 1, 1), histogram(1, 1, 1), 0.005))).to.equal(true);
  });
});

function histogram(...counts: number[]): Sample[] {
  return ['0.005', '0.025', '+Inf'].map((le, index) => ({ name: 'h', labels: { le }, value: counts[index] ?? 0 }));
}
