//! The connections in memory: chunks that never move, places that are used again.

use std::ops::{Index, IndexMut};

use crate::connection::Connection;

/// 3 MB, so that the kernel can use huge pages; what is not used yet is not touched.
const CHUNK: usize = 1 << 14;

/// Connections by number. A number stays the same as long as its connection lives.
#[derive(Debug, Default)]
pub(crate) struct Store {
    chunks: Vec<Vec<Option<Connection>>>,
    free: Vec<u32>,
    len: usize,
}

impl Store {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Numbers that have ever been given out are below this.
    pub fn places(&self) -> u32 {
        (self.len + self.free.len()) as u32
    }

    pub fn insert(&mut self, connection: Connection) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = self.len;
            if id % CHUNK == 0 {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            self.chunks[id / CHUNK].push(None);
            id as u32
        });
        self.len += 1;
        self.chunks[id as usize / CHUNK][id as usize % CHUNK] = Some(connection);
        id
    }

    pub fn remove(&mut self, id: u32) {
        let place = &mut self.chunks[id as usize / CHUNK][id as usize % CHUNK];
        if place.take().is_some() {
            self.len -= 1;
            self.free.push(id);
        }
    }

    /// The connection with this number, if there is one.
    pub fn get(&self, id: u32) -> Option<&Connection> {
        self.chunks.get(id as usize / CHUNK)?.get(id as usize % CHUNK)?.as_ref()
    }

    /// All connections with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let all = self.chunks.iter().flatten().zip(0..);
        all.filter_map(|(place, id)| place.as_ref().map(|connection| (id, connection)))
    }

    /// Bytes of memory that are or have been in use.
    pub fn bytes(&self) -> usize {
        self.places() as usize * size_of::<Option<Connection>>() + self.free.capacity() * 4
    }
}

/// Numbers come from the table and from lists, which hold those of living connections only.
impl Index<u32> for Store {
    type Output = Connection;

    #[inline]
    fn index(&self, id: u32) -> &Connection {
        let place = &self.chunks[id as usize / CHUNK][id as usize % CHUNK];
        place.as_ref().expect("numbers in the table and in lists are those of living connections")
    }
}

impl IndexMut<u32> for Store {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut Connection {
        let place = &mut self.chunks[id as usize / CHUNK][id as usize % CHUNK];
        place.as_mut().expect("numbers in the table and in lists are those of living connections")
    }
}
