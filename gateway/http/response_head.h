// The fixed parts of responses: status line and the headers that every response carries, and the error
// document of S3 for what is answered before a dialect sees the request. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gabion::gateway::http {

std::string_view reason_phrase(int status);

struct ResponseHead {
  int status = 200;
  std::string_view date, request_id, host_id;
  std::string_view headers;  // whole lines, each with its CR LF
  std::optional<std::uint64_t> content_length;
  std::string_view connection;  // empty: the header is left out
};

void append_head(std::string& out, const ResponseHead& head);

// Neither a body nor Content-Length may go with these.
bool is_bodiless(int status);

std::string error_document(std::string_view code, std::string_view message, std::string_view request_id,
                           std::string_view host_id);

}  // namespace gabion::gateway::http
