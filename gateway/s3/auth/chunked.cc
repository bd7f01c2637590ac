#include "gateway/s3/auth/chunked.h"

#include <algorithm>
#include <charconv>

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kLineMax = 128;         // 16 hex digits, the signature, and the names between them
constexpr std::size_t kTailMax = 16 * 1024;   // trailers
constexpr std::uint64_t kChunkSizeMin = 8192; // of every chunk but the last
constexpr std::string_view kSignatureName = "chunk-signature=";

S3Error broken() { return S3Error(kIncompleteBody, "The request body terminated unexpectedly"); }

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

char take_char(ByteView& in) {
  const char c = static_cast<char>(in.front());
  in = in.subspan(1);
  return c;
}

}  // namespace

S3Result<AwsChunkedDecoder::Step> AwsChunkedDecoder::next(ByteView& in) {
  Step step;
  while (!in.empty()) {
    if (state_ == State::data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, in.size()));
      if (take != 0) {
        step.event = Event::data;
        step.data = in.first(take);
        in = in.subspan(take);
        chunk_left_ -= take;
        return step;
      }
      state_ = State::data_end;
      step.event = Event::chunk_end;
      return step;
    }
    if (state_ == State::tail) {
      TRY_OK(take_tail(in));
      return step;
    }
    line_.push_back(take_char(in));
    if (state_ == State::data_end) {
      if (!std::string_view("\r\n").starts_with(line_)) return broken();
      if (line_.size() < 2) continue;
      line_.clear();
      state_ = State::size_line;
      continue;
    }
    if (line_.size() > kLineMax) return broken();
    if (line_.back() != '\n') continue;
    TRY_OK(parse_size_line());
    line_.clear();
    if (state_ != State::tail) continue;
    step.event = Event::chunk_end;
    return step;
  }
  return step;
}

S3Result<void> AwsChunkedDecoder::parse_size_line() {
  std::string_view line = line_;
  if (!line.ends_with("\r\n")) return broken();
  line.remove_suffix(2);
  const auto semicolon = line.find(';');
  const bool has_extension = semicolon != std::string_view::npos;
  if (has_extension != (signatures_ == Signatures::present)) return broken();
  if (has_extension) {
    const std::string_view extension = line.substr(semicolon + 1);
    if (!extension.starts_with(kSignatureName)) return broken();
    signature_ = extension.substr(kSignatureName.size());
  }
  const auto size = parse_hex(line.substr(0, semicolon));
  if (!size || *size > left_) return broken();
  if (*size != 0) {
    if (small_chunk_seen_) return S3Error(kInvalidChunkSizeError);
    small_chunk_seen_ = *size < kChunkSizeMin;
  }
  left_ -= *size;
  chunk_left_ = *size;
  state_ = *size == 0 ? State::tail : State::data;
  return {};
}

S3Result<void> AwsChunkedDecoder::take_tail(ByteView& in) {
  if (in.size() > kTailMax - tail_.size()) return S3Error(kMalformedTrailerError);
  tail_.append(as_text(in));
  in = {};
  return {};
}

S3Result<void> AwsChunkedDecoder::finish() const {
  if (state_ != State::tail || left_ != 0) return broken();
  return {};
}

}  // namespace gabion::gateway::s3
