#include "tools/serve/admin_rpc.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace gabion::serve {
namespace {

std::string text_in(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? std::string() : std::string(value->get_string());
}

Result<boost::json::object> object_in(const std::string& header) {
  boost::system::error_code code;
  auto parsed = boost::json::parse(header, code);
  if (code || !parsed.is_object()) return Error(Errc::invalid, "not a message of the admin API");
  return std::move(parsed.get_object());
}

}  // namespace

task<Result<AdminAnswer>> ask_node(rpc::Peers& peers, Context ctx, NodeId node, AdminRequest request) {
  rpc::Channel* channel = peers.find(node);
  if (channel == nullptr) co_return Error(Errc::unavailable, fmt::format("{} is not known here", to_string(node)));
  boost::json::object message;
  message["method"] = request.method;
  message["path"] = request.path;
  message["body"] = request.body;
  std::string header = boost::json::serialize(message);
  std::vector<Bytes> nothing;
  CO_TRY(const rpc::Reply reply, co_await channel->call(ctx, rpc::Method::admin, std::move(header), std::move(nothing)));
  CO_TRY(const boost::json::object answered, object_in(reply.header));
  const auto* status = answered.if_contains("status");
  if (status == nullptr || !status->is_int64()) co_return Error(Errc::invalid, "an answer without a status");
  AdminAnswer answer;
  answer.status = static_cast<int>(status->get_int64());
  answer.body = text_in(answered, "body");
  co_return answer;
}

task<Result<rpc::Reply>> answer_node(AdminApi& api, Context ctx, rpc::Peer peer, std::string header) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only nodes of the cluster may ask this");
  CO_TRY(const boost::json::object message, object_in(header));
  AdminRequest request;
  request.method = text_in(message, "method");
  request.path = text_in(message, "path");
  request.body = text_in(message, "body");
  const AdminAnswer answer = co_await api.answer_here(ctx, std::move(request));
  boost::json::object out;
  out["status"] = answer.status;
  out["body"] = answer.body;
  rpc::Reply reply;
  reply.header = boost::json::serialize(out);
  co_return reply;
}

}  // namespace gabion::serve
