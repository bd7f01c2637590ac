// ChunkedDecoder takes HTTP's chunked framing off a body (RFC 9112, section 7.1), strictly: lines end with CR
// LF, a size is 1 to 16 hexadecimal digits, and nothing is skipped. Pure, and independent of how the bytes
// were cut into reads. Written here because Beast's decoder (until 1.92 at least in parts) lets bare line
// ends and folding through, holds trailers without a limit, and runs into its own assertions when a last
// chunk arrives in small pieces.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/http/parser_types.h"

namespace gabion::gateway::http {

class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(const ParserLimits& limits) : limits_(limits) {}

  // `buffered`: everything received and not consumed. Gives at most one piece of the body.
  BodyStep next(ByteView buffered);
  const std::vector<Header>& trailers() const { return trailers_; }
  const Refusal& refusal() const { return refusal_; }

 private:
  enum class State { size_line, data, data_end, trailers, done };
  Parse refuse(const Refusal& why);
  Parse next_line(std::string_view rest, std::size_t longest, std::string_view& line);
  Parse take_size_line(std::string_view rest, BodyStep& step);
  Parse take_data_end(std::string_view rest, BodyStep& step);
  Parse take_trailer(std::string_view rest, BodyStep& step);
  Parse add_trailer(std::string_view line);

  const ParserLimits& limits_;
  State state_ = State::size_line;
  std::uint64_t left_ = 0;    // of the chunk's data
  std::size_t searched_ = 0;  // no line end before this in what is buffered
  std::size_t trailer_bytes_ = 0;
  std::vector<Header> trailers_;
  Refusal refusal_;
};

}  // namespace gabion::gateway::http
