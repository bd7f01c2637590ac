#include "tools/bench/worker.h"

#include <boost/asio/ip/tcp.hpp>

#include "common/async.h"
#include "common/digest.h"
#include "common/encoding.h"

namespace gabion::bench {
namespace {

constexpr std::size_t kTextBytesMax = 8 * MiB;
constexpr std::uint64_t kPresignedSeconds = 3600;
constexpr int kPrefillAttempts = 5;
// How long a worker waits after a failure, so that a server that refuses is not asked in a tight loop.
constexpr Duration kPause = std::chrono::milliseconds(50);
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The text between <tag> and </tag>; empty when there is none. Enough for the few values read from S3's
// answers.
std::string_view between(std::string_view xml, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const std::size_t start = xml.find(open);
  if (start == xml.npos) return {};
  const std::size_t end = xml.find(fmt::format("</{}>", tag), start);
  if (end == xml.npos) return {};
  return xml.substr(start + open.size(), end - start - open.size());
}

std::uint64_t count_of(std::string_view text, std::string_view what) {
  std::uint64_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

}  // namespace

Result<asio::ip::tcp::endpoint> resolve(const Endpoint& endpoint) {
  asio::io_context io;
  asio::ip::tcp::resolver resolver(io);
  boost::system::error_code code;
  const auto found = resolver.resolve(endpoint.host, endpoint.port, code);
  if (code || found.empty()) {
    return Error(Errc::unavailable, fmt::format("cannot resolve {}: {}", endpoint.host, code.message()));
  }
  return found.begin()->endpoint();
}

Worker::Worker(Executor executor, Shared& shared, ThreadStats& stats, std::uint64_t seed)
    : shared_(shared),
      stats_(stats),
      connection_(std::move(executor), shared.peer),
      signer_({shared.options.access_key, shared.options.secret_key, shared.options.region}),
      sha256_(DigestKind::sha256),
      rng_(seed) {}

std::string Worker::path_of(std::string_view key) const {
  std::string path = shared_.endpoint.path + "/";
  percent_append(path, shared_.options.bucket, Slash::keep);
  if (!key.empty()) {
    path += '/';
    percent_append(path, key, Slash::keep);
  }
  return path;
}

std::string Worker::key_of(std::uint64_t object) const {
  return fmt::format("{}{:010}", shared_.options.prefix, object);
}

std::string Worker::head_of(const Call& call, std::uint64_t length, std::string_view payload_hash) {
  const std::string& host = shared_.endpoint.authority;
  const ToSign to_sign{.method = call.method, .host = host, .path = call.path, .query = call.query};
  const WallMicros now = shared_.clock.wall();
  const bool presigned = shared_.options.signing == Signing::presigned;
  std::string query = presigned ? signer_.presign(to_sign, kPresignedSeconds, now) : call.query;
  std::string head = fmt::format("{} {}{}{} HTTP/1.1\r\nHost: {}\r\n", call.method, call.path,
                                 query.empty() ? "" : "?", query, host);
  if (call.method != "GET") fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", length);
  if (!presigned) signer_.sign(head, to_sign, payload_hash, now);
  head += "\r\n";
  return head;
}

task<Result<ResponseHead>> Worker::call(Call request, const Payload* payload) {
  std::string hash(kEmptySha256);
  if (payload != nullptr) {
    hash = shared_.options.signing == Signing::headers ? payload->sha256_hex(sha256_)
                                                       : std::string(kUnsignedPayload);
  }
  std::string head = head_of(request, payload == nullptr ? 0 : payload->length(), hash);
  std::span<const asio::const_buffer> body;
  if (payload != nullptr) body = payload->buffers();
  CO_TRY(ResponseHead response, co_await connection_.request(std::move(head), body));
  if (response.status >= 200 && response.status < 300) co_return response;
  CO_TRY(const std::string text, co_await read_text());
  const std::string_view code = between(text, "Code");
  const Errc kind = response.status == 403   ? Errc::denied
                    : response.status == 404 ? Errc::not_found
                                             : Errc::unavailable;
  co_return Error(kind, code.empty() ? fmt::format("HTTP {}", response.status) : std::string(code));
}

task<Result<std::string>> Worker::read_text() {
  std::string text;
  for (;;) {
    CO_TRY(const ByteView piece, co_await connection_.read_some());
    if (piece.empty()) co_return text;
    text += as_text(piece);
    if (text.size() > kTextBytesMax) co_return Error(Errc::too_large, "the answer is too long");
  }
}

task<Result<std::string>> Worker::call_for_text(Call request, const Payload* payload) {
  CO_TRY(const ResponseHead head, co_await call(std::move(request), payload));
  static_cast<void>(head);
  co_return co_await read_text();
}

task<Result<void>> Worker::create_bucket() {
  Call request{.method = "PUT", .path = path_of(""), .query = ""};
  auto created = co_await call_for_text(std::move(request), nullptr);
  if (created.has_value() || created.error().message.starts_with("BucketAlready")) co_return Result<void>();
  co_return created.error();
}

task<Result<void>> Worker::prefill() {
  while (!shared_.stop) {
    const std::uint64_t object = shared_.next_object.fetch_add(1);
    if (object >= shared_.objects) break;
    for (int attempt = 1;; ++attempt) {
      auto done = co_await put(key_of(object));
      if (done.has_value()) break;
      if (attempt == kPrefillAttempts || done.error().code == Errc::denied) co_return done.error();
      co_await shared_.clock.sleep(kPause * attempt);
    }
    shared_.prefilled.fetch_add(1, std::memory_order_relaxed);
  }
  co_return Result<void>();
}

task<void> Worker::load() {
  TimePoint start = shared_.clock.now();
  while (!shared_.stop.load(std::memory_order_relaxed)) {
    auto done = co_await perform();
    const TimePoint end = shared_.clock.now();
    if (shared_.measuring.load(std::memory_order_relaxed)) {
      if (done.has_value()) {
        stats_.succeeded(done->operation, end - start, done->bytes, done->keys);
      } else {
        stats_.failed(done.error().message);
      }
    }
    start = end;
    if (done.has_value()) continue;
    co_await shared_.clock.sleep(kPause);
    start = shared_.clock.now();
  }
  connection_.close();
}

task<Result<Worker::Done>> Worker::perform() {
  const Operation operation = shared_.options.operation;
  if (operation == Operation::list) co_return co_await list();
  if (operation == Operation::put || operation == Operation::multipart) {
    const std::uint64_t number = shared_.next_object.fetch_add(1, std::memory_order_relaxed);
    std::string key = key_of(shared_.objects == 0 ? number : number % shared_.objects);
    if (operation == Operation::multipart) co_return co_await multipart(std::move(key));
    co_return co_await put(std::move(key));
  }
  std::string key = key_of(rng_.below(shared_.objects));
  if (operation == Operation::mixed && rng_.below(100) < shared_.options.put_percent) {
    co_return co_await put(std::move(key));
  }
  co_return co_await get(std::move(key));
}

task<Result<Worker::Done>> Worker::put(std::string key) {
  const std::uint64_t size = shared_.sizes.choose(rng_);
  const Payload payload(shared_.pool, key, size, rng_.next(), 0, size);
  Call request{.method = "PUT", .path = path_of(key), .query = ""};
  CO_TRY(const ResponseHead head, co_await call(std::move(request), &payload));
  static_cast<void>(head);
  CO_CHECK(co_await connection_.discard_body());
  co_return Done{.operation = "PUT", .bytes = size, .keys = 0};
}

task<Result<Worker::Done>> Worker::get(std::string key) {
  Call request{.method = "GET", .path = path_of(key), .query = ""};
  CO_TRY(const ResponseHead head, co_await call(std::move(request), nullptr));
  if (shared_.options.verify) {
    CO_CHECK(co_await verify(std::move(key), head.length));
  } else {
    CO_CHECK(co_await connection_.discard_body());
  }
  co_return Done{.operation = "GET", .bytes = head.length, .keys = 0};
}

task<Result<void>> Worker::verify(std::string key, std::uint64_t size) {
  Verifier verifier(shared_.pool, key, size);
  for (;;) {
    CO_TRY(const ByteView piece, co_await connection_.read_some());
    if (piece.empty()) break;
    if (!verifier.feed(piece)) {
      connection_.close();
      co_return Error(Errc::corrupt, "WrongContent");
    }
  }
  if (!verifier.complete()) co_return Error(Errc::corrupt, "WrongContent");
  co_return Result<void>();
}

task<Result<Worker::Done>> Worker::list() {
  std::string query;
  if (!list_token_.empty()) query = "continuation-token=" + percent_encode(list_token_, Slash::encode) + "&";
  query += "list-type=2&max-keys=1000&prefix=" + percent_encode(shared_.options.prefix, Slash::encode);
  Call request{.method = "GET", .path = path_of(""), .query = std::move(query)};
  CO_TRY(const std::string page, co_await call_for_text(std::move(request), nullptr));
  list_token_ = between(page, "NextContinuationToken");
  co_return Done{.operation = "LIST", .bytes = page.size(), .keys = count_of(page, "<Key>")};
}

task<Result<Worker::Done>> Worker::multipart(std::string key) {
  const std::uint64_t size = shared_.sizes.choose(rng_);
  const std::uint64_t seed = rng_.next();
  Call create{.method = "POST", .path = path_of(key), .query = "uploads="};
  CO_TRY(const std::string created, co_await call_for_text(std::move(create), nullptr));
  const std::string upload = percent_encode(between(created, "UploadId"), Slash::encode);
  std::string xml = "<CompleteMultipartUpload>";
  std::uint64_t number = 1;
  for (std::uint64_t offset = 0; offset < size || number == 1;
       offset += shared_.options.part_size, ++number) {
    const std::uint64_t length = std::min(shared_.options.part_size, size - offset);
    const Payload part(shared_.pool, key, size, seed, offset, length);
    Call request{.method = "PUT",
                 .path = path_of(key),
                 .query = fmt::format("partNumber={}&uploadId={}", number, upload)};
    CO_TRY(const ResponseHead head, co_await call(std::move(request), &part));
    CO_CHECK(co_await connection_.discard_body());
    fmt::format_to(std::back_inserter(xml), "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number,
                   head.etag);
  }
  xml += "</CompleteMultipartUpload>";
  const Payload body(xml);
  Call complete{.method = "POST", .path = path_of(key), .query = "uploadId=" + upload};
  CO_TRY(const std::string completed, co_await call_for_text(std::move(complete), &body));
  // S3 answers 200 before it knows the outcome, which then stands in the body.
  if (completed.find("<Error>") != completed.npos)
    co_return Error(Errc::unavailable, std::string(between(completed, "Code")));
  co_return Done{.operation = "MULTIPART", .bytes = size, .keys = 0};
}

}  // namespace gabion::bench
