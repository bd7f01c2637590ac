#include "gateway/s3/auth/payload.h"

#include <algorithm>

#include "common/check.h"
#include "gateway/s3/auth/body_digests.h"
#include "gateway/s3/auth/chunk_chain.h"
#include "gateway/s3/auth/chunked.h"
#include "gateway/s3/auth/trailer.h"

namespace gabion::gateway::s3 {
namespace {

// So much is hashed at a time that all digests find the piece in the processor's cache.
constexpr std::size_t kPieceMax = 256 * KiB;

S3Error read_error(const Error& error) {
  if (error.code == Errc::invalid) return S3Error(kIncompleteBody);
  return to_s3(error);
}

class VerifiedPayload final : public Payload {
 public:
  VerifiedPayload(http::Exchange& exchange, const Authentication& authentication, const PayloadOptions& options,
                  BodyPromise promise)
      : exchange_(exchange), promise_(std::move(promise)), digests_(promise_, authentication, options) {
    const PayloadMode mode = authentication.payload;
    if (!is_streaming(mode)) return;
    const bool is_signed = mode != PayloadMode::streaming_unsigned_trailer;
    using Signatures = AwsChunkedDecoder::Signatures;
    decoder_.emplace(is_signed ? Signatures::present : Signatures::absent, *promise_.length);
    if (is_signed) chain_.emplace(authentication);
    with_trailer_ = has_trailer(mode);
  }

  std::optional<std::uint64_t> length() const override { return promise_.length; }

  task<S3Result<ByteView>> next() override {
    if (failure_) co_return *failure_;
    if (ended_) co_return ByteView{};
    auto piece = co_await advance();
    if (!piece) failure_ = piece.error();
    co_return piece;
  }

  task<S3Result<std::string>> read_all(std::size_t limit) override {
    std::string out;
    if (promise_.length.value_or(0) > limit) co_return S3Error(kMaxMessageLengthExceeded);
    for (;;) {
      CO_TRY(const ByteView piece, co_await next());
      if (piece.empty()) co_return out;
      if (piece.size() > limit - out.size()) co_return S3Error(kMaxMessageLengthExceeded);
      out.append(as_text(piece));
    }
  }

  std::uint64_t size() const override { return size_; }
  const std::string& md5() const override { return digests_.md5(); }
  const metadata::Checksum& checksum() const override { return digests_.checksum(); }
  bool has_client_checksum() const override { return promise_.content_md5 || promise_.checksum; }

 private:
  task<S3Result<ByteView>> advance() {
    for (;;) {
      if (input_.empty()) {
        auto read = co_await exchange_.read_body();
        if (!read) co_return read_error(read.error());
        input_ = *read;
        if (input_.empty()) {
          CO_CHECK(finish());
          ended_ = true;
          co_return ByteView{};
        }
      }
      CO_TRY(const ByteView piece, decoder_ ? take_chunked() : take_plain());
      if (piece.empty()) continue;
      size_ += piece.size();
      co_await digests_.update(piece);
      co_return piece;
    }
  }

  S3Result<ByteView> take_plain() {
    const ByteView piece = input_.first(std::min(input_.size(), kPieceMax));
    input_ = input_.subspan(piece.size());
    if (promise_.length && piece.size() > *promise_.length - size_) return S3Error(kIncompleteBody);
    return piece;
  }

  // The next data of a chunk, or nothing when the input is used up.
  S3Result<ByteView> take_chunked() {
    for (;;) {
      ByteView rest = input_;
      ByteView window = input_.first(std::min(input_.size(), kPieceMax));
      const std::size_t before = window.size();
      TRY(const auto step, decoder_->next(window));
      input_ = rest.subspan(before - window.size());
      if (step.event == AwsChunkedDecoder::Event::data) return step.data;
      if (step.event == AwsChunkedDecoder::Event::chunk_end) {
        if (chain_) TRY_OK(chain_->check_chunk(digests_.take_chunk_hash(), decoder_->signature()));
        continue;
      }
      if (input_.empty()) return ByteView{};
    }
  }

  S3Result<void> finish() {
    std::optional<std::string> trailer_checksum;
    if (decoder_) {
      TRY_OK(decoder_->finish());
      if (with_trailer_) {
        TRY(trailer_checksum, read_trailer());
      } else if (decoder_->tail().find_first_not_of("\r\n") != std::string_view::npos) {
        return S3Error(kIncompleteBody);
      }
    }
    if (promise_.length && size_ != *promise_.length) return S3Error(kIncompleteBody);
    return digests_.finish(promise_, trailer_checksum);
  }

  // The announced checksum and nothing else; in a body of signed chunks, its signature too.
  S3Result<std::optional<std::string>> read_trailer() {
    TRY(const BodyTrailer trailer, parse_trailer(decoder_->tail()));
    if (chain_) {
      TRY_OK(chain_->check_trailer(sha256_hex(trailer.canonical()), trailer.signature));
    } else if (!trailer.signature.empty()) {
      return S3Error(kMalformedTrailerError);
    }
    if (trailer.fields.size() != (promise_.checksum_in_trailer ? 1 : 0)) return S3Error(kMalformedTrailerError);
    if (!promise_.checksum_in_trailer) return std::optional<std::string>();
    const auto& [name, value] = trailer.fields.front();
    if (name != promise_.checksum->header) return S3Error(kMalformedTrailerError);
    auto raw = parse_checksum(*promise_.checksum, value);
    if (!raw) return S3Error(kInvalidRequest, fmt::format("Value for {} trailing header is invalid.", name));
    return raw;
  }

  http::Exchange& exchange_;
  const BodyPromise promise_;
  BodyDigests digests_;
  std::optional<AwsChunkedDecoder> decoder_;  // of aws-chunked bodies
  std::optional<ChunkChain> chain_;           // of signed chunks
  bool with_trailer_ = false;
  ByteView input_;  // of the last read, not yet taken
  std::uint64_t size_ = 0;
  bool ended_ = false;
  std::optional<S3Error> failure_;
};

}  // namespace

S3Result<std::unique_ptr<Payload>> Payload::open(http::Exchange& exchange, const Authentication& authentication,
                                                 PayloadOptions options) {
  TRY(BodyPromise promise, read_body_promise(exchange.head(), authentication.payload, options));
  return std::unique_ptr<Payload>(new VerifiedPayload(exchange, authentication, options, std::move(promise)));
}

}  // namespace gabion::gateway::s3
