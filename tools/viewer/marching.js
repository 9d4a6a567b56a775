// Marching cubes over a small map, with the tables of three.js; vertices are shared, normals follow the gradient.
import { edgeTable, triTable } from 'three/examples/jsm/objects/MarchingCubes.js';

// Corners of a cell with their bits in the tables, and the edges between them as (corner, axis).
const CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]];
const BITS = [1, 2, 8, 4, 16, 32, 128, 64];
const EDGES = [[0, 0], [1, 1], [2, 0], [0, 1], [4, 0], [5, 1], [6, 0], [4, 1], [0, 2], [1, 2], [3, 2], [2, 2]];

/** Doubles the sampling of a map along every axis by cubic (Catmull-Rom) interpolation. */
export function doubled({ values, size }) {
  let current = values;
  const shape = [...size];
  for (let axis = 0; axis < 3; axis++) {
    const stride = axis === 0 ? 1 : axis === 1 ? shape[0] : shape[0] * shape[1];
    const n = shape[axis], wide = 2 * n - 1, outer = current.length / (stride * n);
    const next = new Float32Array(outer * wide * stride);
    for (let o = 0; o < outer; o++) for (let s = 0; s < stride; s++) {
      const at = (i) => current[(o * n + Math.min(Math.max(i, 0), n - 1)) * stride + s];
      for (let i = 0; i < n; i++) {
        next[(o * wide + 2 * i) * stride + s] = at(i);
        if (i + 1 < n) next[(o * wide + 2 * i + 1) * stride + s] = (9 * (at(i) + at(i + 1)) - at(i - 1) - at(i + 2)) / 16;
      }
    }
    shape[axis] = wide;
    current = next;
  }
  return { values: current, size: shape };
}

/** Triangulates the surface of a level: { positions, normals, indices } in voxels, and the number of voxels within. */
export function isosurface({ values, size }, level) {
  const [nx, ny, nz] = size, strides = [1, nx, nx * ny];
  const positions = [], normals = [], indices = [];
  const known = new Int32Array(3 * values.length).fill(-1);
  const gradient = (x, y, z, axis) => {
    const place = [x, y, z][axis], i = x + strides[1] * y + strides[2] * z;
    const low = place > 0 ? i - strides[axis] : i, high = place < size[axis] - 1 ? i + strides[axis] : i;
    return values[high] - values[low];
  };
  const vertex = (x, y, z, axis) => {
    const i = x + strides[1] * y + strides[2] * z, key = 3 * i + axis;
    if (known[key] >= 0) return known[key];
    const a = values[i], b = values[i + strides[axis]], t = a === b ? 0.5 : (level - a) / (b - a);
    const end = [x, y, z];
    end[axis] += 1;
    const normal = [0, 1, 2].map((n) => -((1 - t) * gradient(x, y, z, n) + t * gradient(...end, n)));
    const length = Math.hypot(...normal) || 1;
    positions.push(x + (axis === 0 ? t : 0), y + (axis === 1 ? t : 0), z + (axis === 2 ? t : 0));
    normals.push(normal[0] / length, normal[1] / length, normal[2] / length);
    return (known[key] = positions.length / 3 - 1);
  };
  for (let z = 0; z < nz - 1; z++) for (let y = 0; y < ny - 1; y++) for (let x = 0; x < nx - 1; x++) {
    const i = x + strides[1] * y + strides[2] * z;
    let cell = 0;
    for (let c = 0; c < 8; c++) {
      const [dx, dy, dz] = CORNERS[c];
      if (values[i + dx + strides[1] * dy + strides[2] * dz] < level) cell |= BITS[c];
    }
    if (edgeTable[cell] === 0) continue;
    for (let k = 16 * cell; triTable[k] !== -1; k++) {
      const [corner, axis] = EDGES[triTable[k]], [dx, dy, dz] = CORNERS[corner];
      indices.push(vertex(x + dx, y + dy, z + dz, axis));
    }
  }
  let inside = 0;
  for (const value of values) if (value >= level) inside += 1;
  return { positions, normals, indices, inside };
}
