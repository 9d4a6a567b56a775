// Bundles the viewer: node build.mjs
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const SOURCES = ['package.json', 'marching.js', 'viewer.js'];
const hash = createHash('sha256');
for (const name of SOURCES) hash.update(readFileSync(name));
const versions = JSON.parse(readFileSync('package.json')).devDependencies;

await build({
  entryPoints: ['viewer.js'],
  outfile: '../../src/subtomo/report/static/surface.js',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  legalComments: 'inline',
  banner: { js: `/* tools/viewer ${hash.digest('hex').slice(0, 16)}, three.js ${versions.three} (MIT, see three.LICENSE) */` },
});
copyFileSync('node_modules/three/LICENSE', '../../src/subtomo/report/static/three.LICENSE');
