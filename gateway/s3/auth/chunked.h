// Takes aws-chunked framing apart, however its bytes are split: sizes and signatures of chunks, their data without a
// copy, and the text behind the last one. It checks the framing; signatures are checked by who calls it.
// A plain state machine for one task.
//
//   <hex size>[;chunk-signature=<64 hex>]\r\n <data> \r\n   ... 0[;chunk-signature=...]\r\n [trailers] \r\n
//
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, sigv4-streaming-trailers.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

class AwsChunkedDecoder {
 public:
  enum class Signatures { absent, present };
  AwsChunkedDecoder(Signatures signatures, std::uint64_t decoded_length)
      : signatures_(signatures), left_(decoded_length) {}

  enum class Event {
    need_input,  // all of `in` is used up
    data,        // `data` holds bytes of the chunk: a part of `in`
    chunk_end,   // a chunk is complete, the last, empty one too; signature() is its own
  };
  struct Step {
    Event event = Event::need_input;
    ByteView data;
  };
  // Goes on to the next event; what it consumes is cut from the front of `in`. IncompleteBody for broken framing or more
  // data than announced, InvalidChunkSizeError for a small chunk before another.
  S3Result<Step> next(ByteView& in);

  const std::string& signature() const { return signature_; }

  // The body is over. IncompleteBody unless the last chunk was seen and all announced bytes came.
  S3Result<void> finish() const;
  // What came behind the last chunk's line.
  std::string_view tail() const { return tail_; }

 private:
  enum class State { size_line, data, data_end, tail };
  S3Result<void> parse_size_line();
  S3Result<void> take_tail(ByteView& in);

  const Signatures signatures_;
  std::uint64_t left_;  // decoded bytes still to come
  State state_ = State::size_line;
  std::string line_;
  std::string signature_;
  std::string tail_;
  std::uint64_t chunk_left_ = 0;
  bool small_chunk_seen_ = false;
};

}  // namespace gabion::gateway::s3
