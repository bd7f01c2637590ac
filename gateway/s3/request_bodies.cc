#include "gateway/s3/request_bodies.h"

#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kDeleteKeysMax = 1000;
constexpr std::size_t kPartsMax = 10000;

std::string trimmed_text(const XmlElement& element) {
  const std::string text = element.text();
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

S3Result<KeyToDelete> parse_key_to_delete(const XmlElement& element) {
  KeyToDelete out;
  for (const XmlElement& child : element.children()) {
    if (child.name() == "Key") out.key = child.text();
    if (child.name() == "VersionId") out.version_id = trimmed_text(child);
    if (child.name() == "ETag") out.etag = trimmed_text(child);
    if (child.name() == "Size") {
      out.size = parse_u64(trimmed_text(child));
      if (!out.size) return S3Error(kMalformedXML);
    }
    if (child.name() == "LastModifiedTime") {
      const std::string text = trimmed_text(child);
      out.modified = parse_http_date(text);
      if (!out.modified) out.modified = parse_iso_date(text);
      if (!out.modified) return S3Error(kMalformedXML);
    }
  }
  if (out.key.empty() || !is_valid_utf8(out.key)) return S3Error(kMalformedXML);
  return out;
}

S3Result<PartToComplete> parse_part(const XmlElement& element) {
  PartToComplete out;
  const auto number = parse_u64(trimmed_text(element.child("PartNumber")));
  const XmlElement etag = element.child("ETag");
  if (!number || *number > kPartsMax || *number == 0 || !etag.exists()) return S3Error(kMalformedXML);
  out.number = static_cast<std::uint32_t>(*number);
  out.etag = unquoted(trimmed_text(etag));
  TRY(out.checksum, read_checksum(element));
  return out;
}

// Whether a grant is the owner's FULL_CONTROL.
bool is_owner_grant(const XmlElement& grant, std::string_view owner_id) {
  return trimmed_text(grant.child("Permission")) == "FULL_CONTROL" &&
         trimmed_text(grant.child("Grantee").child("ID")) == owner_id;
}

}  // namespace

S3Result<DeleteBody> parse_delete(std::string body) {
  TRY(const XmlDocument document, XmlDocument::parse(std::move(body), "Delete"));
  DeleteBody out;
  for (const XmlElement& child : document.root().children()) {
    if (child.name() == "Quiet") {
      out.quiet = equals_ignoring_case(trimmed_text(child), "true");
    } else if (child.name() == "Object") {
      if (out.keys.size() == kDeleteKeysMax) return S3Error(kMalformedXML);
      TRY(auto key, parse_key_to_delete(child));
      out.keys.push_back(std::move(key));
    } else {
      return S3Error(kMalformedXML);
    }
  }
  if (out.keys.empty()) return S3Error(kMalformedXML);
  return out;
}

S3Result<std::vector<PartToComplete>> parse_complete(std::string body) {
  TRY(const XmlDocument document, XmlDocument::parse(std::move(body), "CompleteMultipartUpload"));
  std::vector<PartToComplete> out;
  for (const XmlElement& child : document.root().children()) {
    if (child.name() != "Part" || out.size() == kPartsMax) return S3Error(kMalformedXML);
    TRY(auto part, parse_part(child));
    out.push_back(std::move(part));
  }
  if (out.empty()) return S3Error(kInvalidRequest, "You must specify at least one part");
  return out;
}

S3Result<std::string> parse_create_bucket(std::string body) {
  if (body.empty()) return std::string();
  TRY(const XmlDocument document, XmlDocument::parse(std::move(body), "CreateBucketConfiguration"));
  std::string constraint;
  for (const XmlElement& child : document.root().children()) {
    if (child.name() == "LocationConstraint") {
      constraint = trimmed_text(child);
    } else if (child.name() == "Location" || child.name() == "Bucket" || child.name() == "Tags") {
      return S3Error(kNotImplemented)
          .with("additionalMessage", "Directory buckets and bucket tags are not supported.");
    } else {
      return S3Error(kMalformedXML);
    }
  }
  return constraint;
}

S3Result<bool> is_private_acl(std::string body, std::string_view owner_id) {
  TRY(const XmlDocument document, XmlDocument::parse(std::move(body), "AccessControlPolicy"));
  const XmlElement list = document.root().child("AccessControlList");
  if (!list.exists()) return S3Error(kMalformedXML);
  const auto grants = list.children();
  if (grants.empty()) return false;
  for (const XmlElement& grant : grants) {
    if (grant.name() != "Grant") return S3Error(kMalformedXML);
    if (!is_owner_grant(grant, owner_id)) return false;
  }
  return true;
}

}  // namespace gabion::gateway::s3
