import { expect } from 'chai';
import { compiledNamesFault } from '../../../../src/admission/review/compiled-names.ts';
import { compilePolicy } from '../../../../src/policy/compile.ts';
import { assertParserInstalled, GENEROUS, INSTALLED } from '../../policy/installed-parser.ts';

async function compiled(text: string): Promise<Buffer> {
  const result = await compilePolicy({ text, limits: GENEROUS }, INSTALLED);
  if (result.kind === 'failed') throw new Error(result.message);
  return result.binary;
}

describe('compiledNamesFault', () => {
  before(assertParserInstalled);

  it('finds nothing where the compiled policy has what the text defines', async () => {
    const text =
      'profile web {\n  file,\n  profile /usr/bin/child { file, }\n  ^hat { file, }\n}\nprofile other { file, }\n';
    expect(compiledNamesFault(text, await compiled(text))).to.equal(undefined);
  });

  it('names a profile that the text was not read to define', async () => {
    const fault = compiledNamesFault(
      'profile web { file, }',
      await compiled('profile web { file, }\nprofile x { file, }'),
    );
    expect(fault?.message).to.equal('compiled, the text also defines the profile x');
  });

  it('names a profile that is not compiled', async () => {
    const fault = compiledNamesFault(
      'profile web { file, }\nprofile x { file, }',
      await compiled('profile web { file, }'),
    );
    expect(fault?.message).to.equal('compiled, the text does not define the profile x');
  });

  it('only an include may add children, and only to profiles of the text', async () => {
    const binary = await compiled('profile web {\n  file,\n  profile child { file, }\n}\n');
    expect(compiledNamesFault('profile web { file, }', binary)?.message).to.contain('web//child');
    expect(compiledNamesFault('profile web { include if exists <local/x> file, }', binary)).to.equal(undefined);
    expect(compiledNamesFault('profile x { include if exists <local/x> file, }', binary)?.message).to.contain('web');
  });

  it('says that it cannot be read', () => {
    const fault = compiledNamesFault('profile web { file, }', Buffer.from('junk'));
    expect(fault?.message).to.contain('the compiled policy cannot be read');
  });
});
