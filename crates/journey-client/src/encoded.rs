//! Requests that are encoded already: whoever has the bytes, or makes very many, need not build messages only to have them
//! encoded.

use prost::bytes::{BufMut as _, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

use journey_proto::v1 as wire;

/// Bytes before a gRPC message.
const PREFIX_SIZE_BYTES: usize = 5;

/// Sends bytes as they are, reads an answer to ingest.
#[derive(Debug)]
pub(crate) struct EncodedIngest {
    /// Of the one request that it is for: the buffer is made once and never grows.
    pub(crate) size_bytes: usize,
}

/// Copies a request into what goes out.
#[derive(Debug)]
pub(crate) struct AsIs {
    buffer: BufferSettings,
}

impl Codec for EncodedIngest {
    type Encode = Bytes;
    type Decode = wire::IngestResponse;
    type Encoder = AsIs;
    type Decoder = ProstDecoder<wire::IngestResponse>;

    fn encoder(&mut self) -> AsIs {
        let size_bytes = self.size_bytes + PREFIX_SIZE_BYTES;
        AsIs {
            buffer: BufferSettings::new(size_bytes, size_bytes),
        }
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<wire::IngestRequest, wire::IngestResponse>::default().decoder()
    }
}

impl Encoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(request);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.buffer
    }
}
