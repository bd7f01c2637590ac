#include "gateway/http/chunked_decoder.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/text.h"
#include "gateway/http/grammar.h"

namespace gabion::gateway::http {
namespace {

constexpr std::size_t kSizeDigitsMax = 16;  // leading zeros included

constexpr Refusal kBadChunk{400, "InvalidRequest", "The chunked framing of the body is broken."};
constexpr Refusal kBadTrailer{400, "MalformedTrailerError", "A trailer of the request is not well-formed."};
constexpr Refusal kTrailersTooLarge{400, "MalformedTrailerError",
                                    "The trailers exceed the maximum allowed size."};

// Headers that frame, route or authenticate a message, and must not be slipped in behind its body (RFC
// 9110, 6.5.1).
bool is_forbidden_trailer(std::string_view name) {
  static constexpr std::string_view kNames[] = {"authorization",
                                                "cache-control",
                                                "connection",
                                                "content-encoding",
                                                "content-range",
                                                "content-type",
                                                "cookie",
                                                "date",
                                                "expect",
                                                "forwarded",
                                                "host",
                                                "if-match",
                                                "if-modified-since",
                                                "if-none-match",
                                                "if-unmodified-since",
                                                "keep-alive",
                                                "max-forwards",
                                                "pragma",
                                                "proxy-authorization",
                                                "proxy-connection",
                                                "range",
                                                "te",
                                                "trailer",
                                                "upgrade",
                                                "x-amz-date",
                                                "x-amz-security-token"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

Parse ChunkedDecoder::refuse(const Refusal& why) {
  refusal_ = why;
  return Parse::failed;
}

BodyStep ChunkedDecoder::next(ByteView buffered) {
  BodyStep step;
  while (state_ != State::done) {
    const ByteView rest = buffered.subspan(step.consumed);
    if (rest.empty()) return step;
    Parse parsed = Parse::done;
    switch (state_) {
      case State::size_line:
        parsed = take_size_line(as_text(rest), step);
        break;
      case State::data_end:
        parsed = take_data_end(as_text(rest), step);
        break;
      case State::trailers:
        parsed = take_trailer(as_text(rest), step);
        break;
      case State::data:
        step.data = rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
        step.consumed += step.data.size();
        left_ -= step.data.size();
        if (left_ == 0) state_ = State::data_end;
        return step;
      case State::done:
        break;
    }
    if (parsed != Parse::done) {
      step.outcome = parsed;
      return step;
    }
  }
  step.outcome = Parse::done;
  return step;
}

// The next line without its CR LF, which it must have. Looks at it only when it is complete.
Parse ChunkedDecoder::next_line(std::string_view rest, std::size_t longest, std::string_view& line) {
  const void* found = std::memchr(rest.data() + searched_, '\n', rest.size() - searched_);
  if (found == nullptr) {
    searched_ = rest.size();
    return rest.size() > longest ? Parse::failed : Parse::need_more;
  }
  searched_ = 0;
  line = rest.substr(0, static_cast<std::size_t>(static_cast<const char*>(found) - rest.data()));
  if (line.size() + 1 > longest || line.empty() || line.back() != '\r') return Parse::failed;
  line.remove_suffix(1);
  return std::none_of(line.begin(), line.end(), is_control) ? Parse::done : Parse::failed;
}

Parse ChunkedDecoder::take_size_line(std::string_view rest, BodyStep& step) {
  std::string_view line;
  const Parse found = next_line(rest, kSizeDigitsMax + limits_.chunk_extension_bytes + 2, line);
  if (found == Parse::failed) return refuse(kBadChunk);
  if (found == Parse::need_more) return found;
  step.consumed += line.size() + 2;

  const auto digits = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
  const auto length = static_cast<std::size_t>(digits.ptr - line.data());
  if (digits.ec != std::errc() || length > kSizeDigitsMax) return refuse(kBadChunk);
  std::string_view extensions = line.substr(length);
  if (!extensions.empty()) {
    if (extensions.front() != ';') return refuse(kBadChunk);
    extensions = trim(extensions.substr(1));
    if (extensions.empty() || !is_token_char(extensions.front())) return refuse(kBadChunk);
  }
  state_ = left_ == 0 ? State::trailers : State::data;
  return Parse::done;
}

Parse ChunkedDecoder::take_data_end(std::string_view rest, BodyStep& step) {
  if (rest[0] != '\r') return refuse(kBadChunk);
  if (rest.size() < 2) return Parse::need_more;
  if (rest[1] != '\n') return refuse(kBadChunk);
  step.consumed += 2;
  state_ = State::size_line;
  return Parse::done;
}

Parse ChunkedDecoder::take_trailer(std::string_view rest, BodyStep& step) {
  std::string_view line;
  const Parse found = next_line(rest, limits_.trailer_bytes - trailer_bytes_, line);
  if (found == Parse::failed) {
    const bool long_line = rest.size() >= limits_.trailer_bytes - trailer_bytes_;
    return refuse(long_line ? kTrailersTooLarge : kBadTrailer);
  }
  if (found == Parse::need_more) return found;
  step.consumed += line.size() + 2;
  trailer_bytes_ += line.size() + 2;
  if (!line.empty()) return add_trailer(line);
  state_ = State::done;
  return Parse::done;
}

Parse ChunkedDecoder::add_trailer(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return refuse(kBadTrailer);
  const std::string_view name = line.substr(0, colon);
  // A folded line begins with a space, which is no part of a name either.
  if (!std::all_of(name.begin(), name.end(), is_token_char)) return refuse(kBadTrailer);
  std::string lower = to_lower(name);
  if (lower == "content-length" || lower == "transfer-encoding") return refuse(kBadTrailer);
  if (!is_forbidden_trailer(lower))
    trailers_.push_back({std::move(lower), std::string(trim(line.substr(colon + 1)))});
  return Parse::done;
}

}  // namespace gabion::gateway::http
