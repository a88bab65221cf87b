//! The file behind a session index: one append-only log of checksummed records, buffered. It knows nothing of
//! what the records mean.
//!
//! Layout, integers little-endian. Header: magic (8 bytes), dimension (u32), the low half of the xxh3 of both
//! (u32). Record: length of the payload (u32), check of the length (u32), check of the payload (u64), payload.
//! Checks are xxh3 seeded with the record's offset, so that a sound record in a wrong place is noticed too.
//! The length has a check of its own: a damaged one must not look like a record cut short by a crash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::error::IndexError;

/// Name of the log within the folder.
pub const LOG_FILE: &str = "sessions.log";
const REWRITTEN_FILE: &str = "sessions.log.new";
const LOCK_FILE: &str = "sessions.lock";
const MAGIC: [u8; 8] = *b"RKSESS\0\x01";
const HEADER_BYTES: usize = 16;
const FRAME_BYTES: usize = 16;
/// Buffered bytes above which the buffer goes to the operating system (not to the disk).
const BUFFER_BYTES: usize = 1 << 20;
/// Largest payload, inclusive; keeps a length within its u32.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 30;

/// The end of a log that a crash cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where the unfinished record began; the log ends there now.
    pub offset: u64,
    /// Bytes cut off.
    pub bytes: u64,
}

/// An open log. One a folder, held by an operating system lock.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes of the file that are in place; a failed write is repeated from here.
    written: u64,
    buffer: Vec<u8>,
    dim: u32,
    _lock: File,
}

impl Log {
    /// Opens or creates the log in `folder` and gives each payload, with the bytes of its record, to `each` in
    /// order. A tail cut short by a crash is cut off and reported; `each` says why a payload is unusable.
    pub fn open(
        folder: &Path,
        dim: u32,
        mut each: impl FnMut(&[u8], u64) -> Result<(), String>,
    ) -> Result<(Log, Option<TornTail>), IndexError> {
        fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
        let lock = lock(folder)?;
        let path = folder.join(LOG_FILE);
        if !path.try_exists().map_err(IndexError::io(&path))? {
            let (file, written) = write_anew(folder, dim, std::iter::empty::<Result<Vec<u8>, IndexError>>())?;
            return Ok((Log::new(folder, path, file, written, dim, lock), None));
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(IndexError::io(&path))?;
        let end = file.metadata().map_err(IndexError::io(&path))?.len();
        let mut reader = LogReader { input: BufReader::with_capacity(BUFFER_BYTES, &file), path: &path, at: 0, end };
        reader.header(dim)?;
        let mut payload = Vec::new();
        let torn = loop {
            let offset = reader.at;
            match reader.record(&mut payload)? {
                Next::End => break None,
                Next::Torn => break Some(TornTail { offset, bytes: end - offset }),
                Next::Record => each(&payload, reader.at - offset).map_err(|reason| reader.damaged(offset, reason))?,
            }
        };
        let written = torn.map_or(end, |tail| tail.offset);
        if torn.is_some() {
            file.set_len(written).map_err(IndexError::io(&path))?;
        }
        Ok((Log::new(folder, path, file, written, dim, lock), torn))
    }

    fn new(folder: &Path, path: PathBuf, file: File, written: u64, dim: u32, lock: File) -> Log {
        Log { folder: folder.to_path_buf(), path, file, written, buffer: Vec::new(), dim, _lock: lock }
    }

    /// Bytes of the log, buffered ones included, header excluded.
    pub fn record_bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64 - HEADER_BYTES as u64
    }

    /// Appends a record to the buffer. Returns the bytes it takes.
    pub fn append(&mut self, payload: &[u8]) -> u64 {
        let offset = self.written + self.buffer.len() as u64;
        frame(&mut self.buffer, offset, payload);
        record_size(payload)
    }

    /// Hands a full buffer to the operating system. Returns whether it did.
    pub fn spill_if_full(&mut self) -> Result<bool, IndexError> {
        let full = self.buffer.len() >= BUFFER_BYTES;
        if full {
            self.spill()?;
        }
        Ok(full)
    }

    /// Makes everything appended durable.
    pub fn flush(&mut self) -> Result<(), IndexError> {
        self.spill()?;
        self.file.sync_data().map_err(IndexError::io(&self.path))
    }

    /// Replaces the log, durably and at once, by one of these payloads. On an error the old log goes on.
    pub fn rewrite(&mut self, payloads: impl Iterator<Item = Result<Vec<u8>, IndexError>>) -> Result<(), IndexError> {
        let (file, written) = write_anew(&self.folder, self.dim, payloads)?;
        (self.file, self.written) = (file, written);
        self.buffer.clear();
        Ok(())
    }

    fn spill(&mut self) -> Result<(), IndexError> {
        let written = self.file.seek(SeekFrom::Start(self.written)).and_then(|_| self.file.write_all(&self.buffer));
        written.map_err(IndexError::io(&self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Bytes that a payload takes in the log.
pub fn record_size(payload: &[u8]) -> u64 {
    (FRAME_BYTES + payload.len()) as u64
}

enum Next {
    Record,
    Torn,
    End,
}

struct LogReader<'a> {
    input: BufReader<&'a File>,
    path: &'a Path,
    at: u64,
    end: u64,
}

impl LogReader<'_> {
    fn header(&mut self, dim: u32) -> Result<(), IndexError> {
        let foreign = || IndexError::Foreign { path: self.path.to_path_buf() };
        if self.end < HEADER_BYTES as u64 {
            return Err(foreign());
        }
        let mut held = [0; HEADER_BYTES];
        self.input.read_exact(&mut held).map_err(IndexError::io(self.path))?;
        if held[..8] != MAGIC {
            return Err(foreign());
        }
        let stored = u32::from_le_bytes([held[8], held[9], held[10], held[11]]);
        if held != header(stored) {
            return Err(self.damaged(0, "the header's check fails".into()));
        }
        if stored != dim {
            let (stored, asked) = (stored as usize, dim as usize);
            return Err(IndexError::Dimension { path: self.path.to_path_buf(), stored, asked });
        }
        self.at = HEADER_BYTES as u64;
        Ok(())
    }

    fn record(&mut self, payload: &mut Vec<u8>) -> Result<Next, IndexError> {
        let (offset, left) = (self.at, self.end - self.at);
        if left == 0 {
            return Ok(Next::End);
        }
        if left < FRAME_BYTES as u64 {
            return Ok(Next::Torn);
        }
        let mut head = [0; FRAME_BYTES];
        self.input.read_exact(&mut head).map_err(IndexError::io(self.path))?;
        let (len, check) = ([head[0], head[1], head[2], head[3]], [head[4], head[5], head[6], head[7]]);
        if check != length_check(offset, len) {
            // A file system may have extended the file before a power cut without writing the bytes.
            let zeros = head == [0; FRAME_BYTES] && self.rest_is_zero().map_err(IndexError::io(self.path))?;
            return if zeros { Ok(Next::Torn) } else { Err(self.damaged(offset, "the length's check fails".into())) };
        }
        let len = u64::from(u32::from_le_bytes(len));
        if len > left - FRAME_BYTES as u64 {
            return Ok(Next::Torn);
        }
        payload.resize(len as usize, 0);
        self.input.read_exact(payload).map_err(IndexError::io(self.path))?;
        self.at += FRAME_BYTES as u64 + len;
        if head[8..] != xxh3_64_with_seed(payload, offset).to_le_bytes() {
            let last = self.at == self.end;
            return if last { Ok(Next::Torn) } else { Err(self.damaged(offset, "the payload's check fails".into())) };
        }
        Ok(Next::Record)
    }

    fn rest_is_zero(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            match self.input.read(&mut chunk)? {
                0 => return Ok(true),
                n if chunk[..n].iter().any(|&b| b != 0) => return Ok(false),
                _ => {}
            }
        }
    }

    fn damaged(&self, offset: u64, reason: String) -> IndexError {
        IndexError::Damaged { path: self.path.to_path_buf(), offset, reason }
    }
}

fn lock(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join(LOCK_FILE);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(IndexError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(IndexError::Io { path, source }),
    }
}

/// Writes a whole log beside the old one, makes it durable, and only then puts it in the old one's place.
fn write_anew(
    folder: &Path,
    dim: u32,
    payloads: impl Iterator<Item = Result<Vec<u8>, IndexError>>,
) -> Result<(File, u64), IndexError> {
    let temporary = folder.join(REWRITTEN_FILE);
    let opened = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&temporary);
    let mut file = opened.map_err(IndexError::io(&temporary))?;
    let (mut buffer, mut written) = (header(dim).to_vec(), 0);
    for payload in payloads {
        let offset = written + buffer.len() as u64;
        frame(&mut buffer, offset, &payload?);
        if buffer.len() >= BUFFER_BYTES {
            file.write_all(&buffer).map_err(IndexError::io(&temporary))?;
            written += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all(&buffer).map_err(IndexError::io(&temporary))?;
    file.sync_all().map_err(IndexError::io(&temporary))?;
    fs::rename(&temporary, folder.join(LOG_FILE)).map_err(IndexError::io(&temporary))?;
    sync_folder(folder).map_err(IndexError::io(folder))?;
    Ok((file, written + buffer.len() as u64))
}

/// A rename is durable once its folder is; only Unix can open one to say so.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn header(dim: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&dim.to_le_bytes());
    let check = xxh3_64(&bytes[..12]) as u32;
    bytes[12..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// Appends the record of a payload, at most [`MAX_PAYLOAD_BYTES`] long, that will stand at `offset` of the log.
fn frame(buffer: &mut Vec<u8>, offset: u64, payload: &[u8]) {
    let len = (payload.len() as u32).to_le_bytes();
    buffer.extend_from_slice(&len);
    buffer.extend_from_slice(&length_check(offset, len));
    buffer.extend_from_slice(&xxh3_64_with_seed(payload, offset).to_le_bytes());
    buffer.extend_from_slice(payload);
}

fn length_check(offset: u64, len: [u8; 4]) -> [u8; 4] {
    (xxh3_64_with_seed(&len, offset) as u32).to_le_bytes()
}
