// What the parts of the request parser share: limits, and the outcome of a step.
#pragma once

#include <cstddef>
#include <string_view>

#include "common/bytes.h"
#include "gateway/http/exchange.h"

namespace gabion::gateway::http {

struct ParserLimits {
  std::size_t target_bytes = 16 * KiB;
  std::size_t header_bytes = 64 * KiB;  // of all header lines together
  std::size_t header_count = 500;
  std::size_t chunk_extension_bytes = 256;
  std::size_t trailer_bytes = 16 * KiB;
};

// Why a request is refused, as the client is told. The connection cannot go on after it.
struct Refusal {
  int status = 400;
  std::string_view code;  // an error code of S3
  std::string_view message;
};

enum class Parse { need_more, done, failed };

struct HeadStep {
  Parse outcome = Parse::need_more;
  std::size_t consumed = 0;  // bytes that belonged to the head, when done
};

struct BodyStep {
  Parse outcome = Parse::need_more;  // need_more also when `data` is not empty and the end is not reached
  std::size_t consumed = 0;          // bytes to drop from the front of the buffer, `data` among them
  ByteView data;                     // of the body: a view into the buffer given
};

}  // namespace gabion::gateway::http
