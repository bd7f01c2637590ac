#include "common/rpc/hello.h"

#include "common/rpc/frame.h"
#include "common/rpc/status.h"

namespace gabion::rpc {
namespace {

// version u16, oldest u16, node u32, cluster 16 bytes. A later version may say more behind it.
constexpr std::size_t kHelloBytes = 24;
constexpr FrameLimits kGreetingLimits{.meta = 8 * KiB, .payload = 0};

task<Result<void>> send(net::ByteStream& stream, FrameKind kind, std::string meta) {
  FrameHead head;
  head.kind = kind;
  const std::string frame = encode_frame(head, meta, {});
  const ByteView piece = as_bytes(frame);
  co_return co_await stream.write_all({&piece, 1});
}

task<Result<Hello>> receive(net::ByteStream& stream) {
  FrameDecoder decoder(kGreetingLimits);
  while (true) {
    CO_TRY(const std::size_t n, co_await stream.read_some(decoder.room()));
    CO_TRY(const bool complete, decoder.commit(n));
    if (!complete) continue;
    const Frame frame = decoder.take();
    if (frame.head.kind == FrameKind::refusal) co_return decode_error(frame.meta);
    if (frame.head.kind != FrameKind::hello) co_return Error(Errc::invalid, "the peer does not greet");
    co_return decode_hello(frame.meta);
  }
}

std::string versions(std::uint16_t oldest, std::uint16_t newest) {
  return oldest == newest ? std::to_string(newest) : std::to_string(oldest) + " to " + std::to_string(newest);
}

Result<void> check_version(const Hello& theirs) {
  if (theirs.oldest <= kProtocolVersion && kOldestProtocolVersion <= theirs.version) return {};
  return Error(Errc::invalid, "the peer speaks versions " + versions(theirs.oldest, theirs.version) +
                                  " of the protocol between nodes, this node " +
                                  versions(kOldestProtocolVersion, kProtocolVersion));
}

Result<Peer> check_caller(const Hello& hello, Identity self, Identity certified) {
  TRY_OK(check_version(hello));
  const Identity& said = hello.identity;
  if (said.node != certified.node) {
    return Error(Errc::denied, "the peer says that it is " + to_string(said.node) + ", and its certificate " +
                                   (certified.is_stranger() ? "is missing" : "that it is " + to_string(certified.node)));
  }
  if (said.is_stranger()) return Peer{};
  if (said.cluster != self.cluster || certified.cluster != self.cluster) {
    return Error(Errc::denied, to_string(self.node) + " belongs to cluster " + self.cluster.to_hex() + ", and not to " +
                                   said.cluster.to_hex());
  }
  return Peer{said.node};
}

Result<void> check_answerer(const Hello& hello, Identity self, NodeId wanted) {
  TRY_OK(check_version(hello));
  const Identity& said = hello.identity;
  if (!self.is_stranger() && said.cluster != self.cluster) {
    return Error(Errc::denied, "the node there belongs to cluster " + said.cluster.to_hex() + ", this one to " +
                                   self.cluster.to_hex());
  }
  if (wanted != NodeId{} && said.node != wanted) {
    return Error(Errc::denied, "the node there is " + to_string(said.node) + ", and not " + to_string(wanted));
  }
  return {};
}

}  // namespace

std::string encode_hello(const Hello& hello) {
  std::string out(8, '\0');
  store_le(out.data(), hello.version);
  store_le(out.data() + 2, hello.oldest);
  store_le(out.data() + 4, static_cast<std::uint32_t>(hello.identity.node));
  out += hello.identity.cluster.raw();
  return out;
}

Result<Hello> decode_hello(std::string_view meta) {
  if (meta.size() < kHelloBytes) return Error(Errc::invalid, "a greeting of " + std::to_string(meta.size()) + " bytes");
  Hello hello;
  hello.version = load_le<std::uint16_t>(meta.data());
  hello.oldest = load_le<std::uint16_t>(meta.data() + 2);
  hello.identity.node = NodeId{load_le<std::uint32_t>(meta.data() + 4)};
  hello.identity.cluster = *ClusterId::from_raw(meta.substr(8, 16));
  return hello;
}

task<Result<void>> greet(net::ByteStream& stream, Identity self, NodeId wanted) {
  Hello mine;
  mine.identity = self;
  CO_CHECK(co_await send(stream, FrameKind::hello, encode_hello(mine)));
  CO_TRY(const Hello theirs, co_await receive(stream));
  co_return check_answerer(theirs, self, wanted);
}

task<Result<Peer>> receive_greeting(net::ByteStream& stream, Identity self, Identity certified, Result<void> admitted) {
  CO_TRY(const Hello theirs, co_await receive(stream));
  Result<Peer> peer = check_caller(theirs, self, certified);
  if (peer && !admitted) peer = admitted.error();
  if (!peer) {
    // Whether the refusal arrives is the peer's concern; why it was refused is what counts here.
    (void)co_await send(stream, FrameKind::refusal, encode_error(peer.error()));
    co_return peer;
  }
  Hello mine;
  mine.identity = self;
  CO_CHECK(co_await send(stream, FrameKind::hello, encode_hello(mine)));
  co_return peer;
}

}  // namespace gabion::rpc
