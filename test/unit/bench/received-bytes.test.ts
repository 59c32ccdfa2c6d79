import { expect } from 'chai';
import { readReceivedBytes } from '../../bench/received-bytes.ts';

const PRINTED = `0      0      127.0.0.1:40000  127.0.0.1:6443  users:(("node",pid=11,fd=30))
	 cubic wscale:7,7 rto:201 bytes_sent:50 bytes_acked:51 bytes_received:700 segs_out:3
0      0      127.0.0.1:40001  127.0.0.1:6443  users:(("kubectl",pid=12,fd=3))
	 cubic bytes_received:5000
0      0      127.0.0.1:40002  127.0.0.1:6443  users:(("node",pid=13,fd=31))
	 cubic bytes_sent:50
0      0      127.0.0.1:40003  127.0.0.1:6443
	 cubic bytes_received:90000
0      0      127.0.0.1:40004  127.0.0.1:6443  users:(("node",pid=13,fd=32))
	 cubic bytes_received:30
`;

describe('bench/received-bytes', () => {
  it('sums what the connections of these processes have received', () => {
    expect(readReceivedBytes(PRINTED, new Set([11, 13]))).to.equal(730);
    expect(readReceivedBytes(PRINTED, new Set([14]))).to.equal(0);
    expect(readReceivedBytes('', new Set([11]))).to.equal(0);
  });
});
