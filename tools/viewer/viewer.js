// An interactive surface: drag to rotate, wheel or pinch to zoom, a slider for the contour. Without WebGL the page's picture stays.
import {
  BufferAttribute, BufferGeometry, DirectionalLight, HemisphereLight, Mesh, MeshPhongMaterial, OrthographicCamera, Scene, WebGLRenderer,
} from 'three';
import { TrackballControls } from 'three/examples/jsm/controls/TrackballControls.js';
import { doubled, isosurface } from './marching.js';

const FINE_VOXELS = 64 ** 3; // maps with fewer are sampled twice as finely, so that facets are not seen
const VIEWS = { z: [[0, 0, 1], [0, 1, 0]], y: [[0, -1, 0], [0, 0, 1]], x: [[1, 0, 0], [0, 0, 1]] }; // viewer's place, up

/** Unpacks a map: 16-bit values, little-endian, x fastest. */
function unpacked({ size, lowest, highest, voxels }) {
  const bytes = Uint8Array.from(atob(voxels), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = lowest + (view.getUint16(2 * i, true) / 65535) * (highest - lowest);
  return { values, size };
}

function protein(angstrom3, perDalton) {
  const mass = angstrom3 / perDalton;
  return mass >= 1e6 ? `${(mass / 1e6).toPrecision(2)} MDa` : `${(mass / 1e3).toPrecision(3)} kDa`;
}

function start(root) {
  const facts = JSON.parse(root.querySelector('script').textContent);
  const canvas = root.querySelector('canvas'), slider = root.querySelector('input'), told = root.querySelector('output');
  const renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
  let map = unpacked(facts), voxel = facts.voxel_angstrom;
  if (map.values.length < FINE_VOXELS) { map = doubled(map); voxel /= 2; }

  const scene = new Scene(), camera = new OrthographicCamera(-1, 1, 1, -1, 0, 10);
  const key = new DirectionalLight(0xffffff, 2.3), fill = new DirectionalLight(0xffffff, 0.7);
  key.position.set(-0.45, 0.6, 0.66);
  fill.position.set(0.75, -0.1, 0.65);
  camera.add(key, fill);
  scene.add(camera, new HemisphereLight(0xffffff, 0x50607a, 0.9));
  const material = new MeshPhongMaterial({ color: 0x7ea6d9, specular: 0x333333, shininess: 28 });
  const mesh = new Mesh(new BufferGeometry(), material);
  scene.add(mesh);

  let reach = 0;
  function contour() {
    const level = Number(slider.value);
    const { positions, normals, indices, inside } = isosurface(map, level);
    const geometry = new BufferGeometry(), places = new Float32Array(positions.length);
    for (let i = 0; i < places.length; i++) places[i] = positions[i] * voxel + facts.origin_angstrom[i % 3];
    geometry.setAttribute('position', new BufferAttribute(places, 3));
    geometry.setAttribute('normal', new BufferAttribute(new Float32Array(normals), 3));
    geometry.setIndex(new BufferAttribute(new Uint32Array(indices), 1));
    mesh.geometry.dispose();
    mesh.geometry = geometry;
    if (!reach) for (let i = 0; i < places.length; i += 3) reach = Math.max(reach, Math.hypot(places[i], places[i + 1], places[i + 2]));
    const volume = inside * voxel ** 3;
    told.textContent = `${level.toPrecision(3)}, ${((level - facts.mean) / facts.deviation).toFixed(1)} σ above the mean; ` +
      `${Math.round(volume / 1e3)} nm³, as much as ${protein(volume, facts.angstrom3_per_dalton)} of protein fill`;
    root.dataset.triangles = indices.length / 3;
    render();
  }
  function render() {
    renderer.render(scene, camera);
    root.dataset.direction = camera.position.clone().normalize().toArray().map((v) => v.toFixed(3)).join(' ');
    root.dataset.zoom = camera.zoom.toFixed(3);
  }

  slider.min = facts.mean + 0.02 * (facts.highest - facts.mean);
  slider.max = facts.mean + 0.98 * (facts.highest - facts.mean);
  slider.step = 'any';
  slider.value = facts.level;
  root.hidden = false; // sizes are known from here on
  const controls = new TrackballControls(camera, canvas);
  Object.assign(controls, { noPan: true, staticMoving: true, rotateSpeed: 3.2, zoomSpeed: 0.9, minZoom: 0.5, maxZoom: 12 });
  controls.noZoom = true; // the wheel scrolls the page until the surface has been touched
  canvas.addEventListener('pointerdown', () => { controls.noZoom = false; });
  canvas.addEventListener('pointerleave', (event) => { if (!event.buttons) controls.noZoom = true; });

  function look(name) {
    const [place, up] = VIEWS[name], far = 4 * reach;
    camera.position.set(...place.map((v) => v * far));
    camera.up.set(...up);
    camera.zoom = 1;
    Object.assign(camera, { near: far - 3 * reach, far: far + 3 * reach });
    controls.target.set(0, 0, 0);
    camera.lookAt(0, 0, 0);
    fit();
  }
  function fit() {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    renderer.setSize(width, height, false);
    const half = 1.08 * reach, wide = Math.max(1, width / height), tall = Math.max(1, height / width);
    Object.assign(camera, { left: -half * wide, right: half * wide, top: half * tall, bottom: -half * tall });
    camera.updateProjectionMatrix();
    controls.handleResize();
    controls.update();
    render();
  }

  contour();
  look('y');
  controls.addEventListener('change', render);
  (function follow() { controls.update(); requestAnimationFrame(follow); })(); // draws only what has changed
  slider.addEventListener('input', contour);
  for (const button of root.querySelectorAll('button[data-view]')) button.addEventListener('click', () => look(button.dataset.view));
  canvas.addEventListener('keydown', (event) => {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!turn) return;
    event.preventDefault();
    const right = camera.up.clone().cross(camera.position).normalize();
    const axis = turn[0] ? camera.up.clone().normalize() : right;
    camera.position.applyAxisAngle(axis, -0.15 * (turn[0] || -turn[1]));
    camera.up.applyAxisAngle(axis, -0.15 * (turn[0] || -turn[1]));
    controls.update();
    render();
  });
  new ResizeObserver(fit).observe(canvas);
  root.dataset.state = 'ready';
}

for (const root of document.querySelectorAll('.surface-viewer')) {
  try {
    start(root);
  } catch (error) { // no WebGL: the still pictures remain
    root.hidden = true;
    root.dataset.state = `none: ${error.message}`;
  }
}
