#include "gateway/s3/respond.h"

#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kRetryAfterSeconds = "1";

std::string_view detail(const S3Error& error, std::string_view member) {
  for (const auto& [name, value] : error.details) {
    if (name == member) return value;
  }
  return {};
}

void set_error_headers(Request& request, const S3Error& error) {
  request.exchange.set_header("Content-Type", "application/xml");
  if (error.code == &kInvalidRange) {
    request.exchange.set_header("Content-Range", std::string("bytes */").append(detail(error, "ActualObjectSize")));
  }
  if (error.code->status == 503) request.exchange.set_header("Retry-After", kRetryAfterSeconds);
  // Clients that used another region sign again for this one.
  const std::string_view region = detail(error, "Region");
  if (!region.empty()) request.exchange.set_header("x-amz-bucket-region", http::sanitize_header_value(region));
}

std::string error_xml(const Request& request, const S3Error& error) {
  XmlWriter xml("Error", XmlWriter::Namespace::none);
  xml.text("Code", error.code->name);
  xml.text("Message", error.message);
  for (const auto& [name, value] : error.details) xml.text(name, value);
  xml.text("RequestId", request.exchange.request_id());
  xml.text("HostId", request.exchange.host_id());
  return std::move(xml).finish();
}

}  // namespace

task<S3Result<>> respond_xml(Request& request, std::string document) {
  request.exchange.set_header("Content-Type", "application/xml");
  co_await request.exchange.respond(200, std::move(document));
  co_return S3Result<>();
}

task<void> respond_error(Request& request, const S3Error& error) {
  set_error_headers(request, error);
  std::string body;
  if (request.head.method != "HEAD") body = error_xml(request, error);
  co_await request.exchange.respond(error.code->status, std::move(body));
}

}  // namespace gabion::gateway::s3
