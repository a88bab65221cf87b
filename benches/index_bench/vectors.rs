//! Where the benchmark's vectors come from: a file of real embeddings, or one of two generators.

use std::path::Path;

use half::f16;

/// Components of a generated vector.
const DIM: usize = 768;
/// Topics of the generated sets.
const TOPICS: usize = 256;

/// A source of vectors; the same session and turn always give the same one.
pub struct Vectors {
    /// What it is, for the report.
    pub name: String,
    dim: usize,
    base: Vec<f32>,
    /// Length of the noise beside a base vector of length 1: of a session, of a turn.
    noise: (f32, f32),
    /// Base vectors are rows of successive turns, used as they are the first time through.
    real: bool,
}

impl Vectors {
    /// Sessions about a few hundred topics; a session's turns stay near each other.
    pub fn clustered() -> Vectors {
        Vectors { name: "generated, clustered".to_owned(), dim: DIM, base: topics(), noise: (0.9, 0.4), real: false }
    }

    /// The hard case: all of a topic are as far from each other, but for chance.
    pub fn hard() -> Vectors {
        Vectors { name: "generated, hard".to_owned(), dim: DIM, base: topics(), noise: (0.0, 1.0), real: false }
    }

    /// The rows of `embeddings.npy` (f16 or f32, two dimensions) in a folder; beyond them the same with noise.
    pub fn of(folder: &Path) -> Result<Vectors, String> {
        let path = folder.join("embeddings.npy");
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (dim, base) = npy(&bytes).ok_or(format!("{}: not a .npy of f16 or f32 rows", path.display()))?;
        let name = format!("{} ({} rows)", path.display(), base.len() / dim);
        Ok(Vectors { name, dim, base, noise: (0.0, 0.5), real: true })
    }

    /// Components.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vector of a session's turn; not of unit length.
    pub fn vector(&self, session: usize, turn: usize, out: &mut Vec<f32>) {
        let rows = self.base.len() / self.dim;
        let at = if self.real { session * 10 + turn } else { session.wrapping_mul(2_654_435_761) >> 7 };
        out.clear();
        out.extend_from_slice(&self.base[at % rows * self.dim..][..self.dim]);
        if self.real && at < rows {
            return;
        }
        let (of_session, of_turn) = self.noise;
        add_noise(out, of_session, &mut Random(session as u64));
        add_noise(out, of_turn, &mut Random((session as u64) << 20 | 1 << 60 | turn as u64));
    }
}

fn topics() -> Vec<f32> {
    let mut base = vec![0.0; TOPICS * DIM];
    for (n, topic) in base.chunks_mut(DIM).enumerate() {
        add_noise(topic, 1.0, &mut Random(1 << 61 | n as u64));
    }
    base
}

/// Adds a vector of a random direction and about this length.
fn add_noise(out: &mut [f32], length: f32, random: &mut Random) {
    if length == 0.0 {
        return;
    }
    // The sum of four 16 bit numbers: near enough to a normal distribution, and quick.
    let scale = length / (out.len() as f32).sqrt() / (65536.0 * (4.0f32 / 12.0).sqrt());
    for x in out {
        let bits = random.next();
        let sum = (0..4).map(|part| (bits >> (16 * part) & 0xFFFF) as i32).sum::<i32>() - 2 * 65535;
        *x += sum as f32 * scale;
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Rows of a version 1 `.npy` file in C order: their length, and all components.
fn npy(bytes: &[u8]) -> Option<(usize, Vec<f32>)> {
    let header_len =
        usize::from(u16::from_le_bytes(bytes.strip_prefix(b"\x93NUMPY\x01\x00")?.get(..2)?.try_into().ok()?));
    let header = std::str::from_utf8(bytes.get(10..10 + header_len)?).ok()?;
    let data = &bytes[10 + header_len..];
    if !header.contains("'fortran_order': False") {
        return None;
    }
    let shape = header.split("'shape': (").nth(1)?.split(')').next()?;
    let shape: Vec<usize> = shape.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let &[rows, dim] = shape.as_slice() else { return None };
    let components: Vec<f32> = if header.contains("'<f2'") {
        data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
    } else if header.contains("'<f4'") {
        data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    } else {
        return None;
    };
    (rows > 0 && dim > 0 && components.len() == rows * dim).then_some((dim, components))
}
