#include "gateway/s3/object_headers.h"

#include <algorithm>
#include <map>

#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/conditions.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kMetaPrefix = "x-amz-meta-";

struct StoredHeader {
  std::string_view name;       // as a request has it
  std::string_view canonical;  // as a response writes it
  std::string_view override_parameter;
};
constexpr StoredHeader kStoredHeaders[] = {
    {"cache-control", "Cache-Control", "response-cache-control"},
    {"content-disposition", "Content-Disposition", "response-content-disposition"},
    {"content-encoding", "Content-Encoding", "response-content-encoding"},
    {"content-language", "Content-Language", "response-content-language"},
    {"expires", "Expires", "response-expires"},
};

// AWS's classes that a cluster may configure one day.
constexpr std::string_view kKnownClasses[] = {
    "REDUCED_REDUNDANCY", "STANDARD_IA",  "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
    "DEEP_ARCHIVE",       "OUTPOSTS",     "GLACIER_IR", "SNOW",                "EXPRESS_ONEZONE",
    "FSX_OPENZFS",        "FSX_ONTAP"};

// The codings of Content-Encoding without aws-chunked, which describes the transfer and not the object.
std::string without_aws_chunked(std::string_view value) {
  std::string out;
  for (const std::string_view item : split(value, ',')) {
    const std::string_view coding = trim(item);
    if (coding.empty() || equals_ignoring_case(coding, "aws-chunked")) continue;
    if (!out.empty()) out.append(",");
    out.append(coding);
  }
  return out;
}

void add_metadata(std::map<std::string, std::string>& out, const http::Header& header) {
  if (!header.name.starts_with(kMetaPrefix) || header.name.size() == kMetaPrefix.size()) return;
  std::string name = header.name.substr(kMetaPrefix.size());
  const auto [it, inserted] = out.emplace(std::move(name), header.value);
  if (!inserted) it->second.append(",").append(header.value);
}

S3Result<> read_user_metadata(const Request& request, metadata::Version& version) {
  std::map<std::string, std::string> all;
  for (const auto& header : request.head.headers) add_metadata(all, header);
  for (const auto& header : request.hoisted) add_metadata(all, header);
  std::size_t bytes = 0;
  for (const auto& [name, value] : all) {
    std::string decoded = decode_metadata_value(value);
    bytes += name.size() + decoded.size();
    auto* pair = version.add_user_metadata();
    pair->set_name(name);
    pair->set_value(std::move(decoded));
  }
  if (bytes <= kUserMetadataMax) return {};
  return S3Error(kMetadataTooLarge)
      .with("Size", std::to_string(bytes))
      .with("MaxSizeAllowed", std::to_string(kUserMetadataMax));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool has_control(std::string_view text) { return std::any_of(text.begin(), text.end(), is_control); }

// ISO 8859-1 as UTF-8.
std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto v = static_cast<unsigned char>(c);
    if (v < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | v >> 6));
      out.push_back(static_cast<char>(0x80 | (v & 0x3f)));
    }
  }
  return out;
}

// RFC 2047 section 4.2: like quoted-printable, and '_' is a space.
std::optional<std::string> decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] == '=') {
      const auto byte = hex_decode(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      out.append(*byte);
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// The text of "=?charset?encoding?text?=" in UTF-8 or ASCII; nullopt for anything else.
std::optional<std::string> decode_word(std::string_view value) {
  if (!value.starts_with("=?") || !value.ends_with("?=") || value.size() < 8) return std::nullopt;
  const auto pieces = split(value.substr(2, value.size() - 4), '?');
  if (pieces.size() != 3 || pieces[1].size() != 1) return std::nullopt;
  if (!equals_ignoring_case(pieces[0], "utf-8") && !equals_ignoring_case(pieces[0], "us-ascii")) return std::nullopt;
  if (equals_ignoring_case(pieces[1], "b")) return base64_decode(pieces[2]);
  if (equals_ignoring_case(pieces[1], "q")) return decode_q(pieces[2]);
  return std::nullopt;
}

void set_content_headers(Request& request, const metadata::Version& version) {
  const std::string* type = request.find_parameter("response-content-type");
  std::string_view content_type = type ? *type : version.content_type();
  if (content_type.empty()) content_type = kDefaultContentType;
  request.exchange.set_header("Content-Type", http::sanitize_header_value(content_type));
  for (const StoredHeader& header : kStoredHeaders) {
    const std::string* value = request.find_parameter(header.override_parameter);
    for (const auto& stored : version.headers()) {
      if (!value && stored.name() == header.canonical) value = &stored.value();
    }
    if (value) request.exchange.set_header(header.canonical, http::sanitize_header_value(*value));
  }
}

void set_user_metadata(Request& request, const metadata::Version& version) {
  std::size_t missing = 0;
  for (const auto& pair : version.user_metadata()) {
    if (has_control(pair.value()) || has_control(pair.name())) {
      ++missing;
      continue;
    }
    request.exchange.set_header(std::string(kMetaPrefix).append(pair.name()), encode_metadata_value(pair.value()));
  }
  if (missing > 0) request.exchange.set_header("x-amz-missing-meta", std::to_string(missing));
}

}  // namespace

std::string decode_metadata_value(std::string_view value) {
  if (auto word = decode_word(value); word && is_ascii(*word) && !has_control(*word)) return *std::move(word);
  return is_valid_utf8(value) ? std::string(value) : from_latin1(value);
}

std::string encode_metadata_value(std::string_view value) {
  if (is_ascii(value)) return std::string(value);
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "=?UTF-8?Q?";
  for (const char c : value) {
    const auto v = static_cast<unsigned char>(c);
    if (c == ' ') {
      out.push_back('_');
    } else if (v >= 0x80 || c == '=' || c == '?' || c == '_') {
      out.push_back('=');
      out.push_back(kHex[v >> 4]);
      out.push_back(kHex[v & 15]);
    } else {
      out.push_back(c);
    }
  }
  return out.append("?=");
}

S3Result<> read_storage_class(const Request& request, metadata::Version& version) {
  const std::string* name = request.find_header("x-amz-storage-class");
  version.clear_storage_class();
  if (!name || *name == "STANDARD") return {};
  if (std::find(std::begin(kKnownClasses), std::end(kKnownClasses), *name) != std::end(kKnownClasses)) {
    return S3Error(kNotImplemented)
        .with("Header", "x-amz-storage-class")
        .with("additionalMessage", "The only storage class here is STANDARD.");
  }
  return S3Error(kInvalidStorageClass).with("StorageClassRequested", *name);
}

S3Result<> read_object_headers(const Request& request, metadata::Version& version) {
  TRY_OK(read_storage_class(request, version));
  version.set_content_type(std::string(request.head.get("content-type")));
  for (const StoredHeader& header : kStoredHeaders) {
    const std::string* sent = request.head.find(header.name);
    if (!sent) continue;
    std::string value = header.name == "content-encoding" ? without_aws_chunked(*sent) : *sent;
    if (value.empty()) continue;
    auto* pair = version.add_headers();
    pair->set_name(std::string(header.canonical));
    pair->set_value(std::move(value));
  }
  return read_user_metadata(request, version);
}

void set_object_headers(Request& request, const metadata::Version& version) {
  request.exchange.set_header("ETag", quoted(etag_text(version)));
  request.exchange.set_header("Last-Modified", http_date(version.modified_us()));
  request.exchange.set_header("Accept-Ranges", "bytes");
  set_content_headers(request, version);
  set_user_metadata(request, version);
  set_encryption_header(request);
  if (!version.storage_class().empty()) request.exchange.set_header("x-amz-storage-class", version.storage_class());
}

void set_encryption_header(Request& request) { request.exchange.set_header("x-amz-server-side-encryption", "AES256"); }

S3Result<> check_version_id(const Request& request) {
  const std::string* id = request.find_parameter("versionId");
  if (!id || *id == "null") return {};
  return S3Error(kInvalidArgument, id->empty() ? "Version id cannot be the empty string" : "Invalid version id specified")
      .with("ArgumentName", "versionId")
      .with("ArgumentValue", *id);
}

}  // namespace gabion::gateway::s3
