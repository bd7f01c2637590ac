#include "gateway/s3/listing.h"

#include <array>
#include <charconv>

#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/owner.h"

namespace gabion::gateway::s3 {
namespace {

// The textual date of the last entry: neighbours in a listing often share their second.
class DateText {
 public:
  std::string_view of(WallMicros at) {
    const std::uint64_t second = at / 1000000;
    if (second != second_ || text_.empty()) {
      text_.clear();
      append_iso_date(text_, second * 1000000);
      second_ = second;
    }
    return text_;
  }

 private:
  std::uint64_t second_ = 0;
  std::string text_;
};

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
}

void append_etag(std::string& out, const metadata::ListedObject& object) {
  out.append("</LastModified><ETag>&quot;");
  hex_append(out, as_bytes(object.etag));
  if (object.etag_parts > 0) {
    out.push_back('-');
    append_number(out, object.etag_parts);
  }
  out.append("&quot;</ETag>");
}

void append_checksum(std::string& out, const metadata::ListedObject& object) {
  const ChecksumKind* kind = checksum_kind(object.checksum_algorithm);
  if (!kind) return;
  out.append("<ChecksumAlgorithm>").append(kind->name).append("</ChecksumAlgorithm><ChecksumType>");
  out.append(checksum_type(object.checksum_composite)).append("</ChecksumType>");
}

S3Error invalid(std::string_view name, std::string_view value, std::string text) {
  return S3Error(kInvalidArgument, std::move(text))
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", is_valid_utf8(value) ? std::string(value) : std::string());
}

bool could_be_name(std::string_view text) { return text.find('\0') == std::string_view::npos && is_valid_utf8(text); }

}  // namespace

S3Result<std::string> read_position(const Request& request, std::string_view name) {
  const std::string_view value = request.parameter(name);
  if (!could_be_name(value)) return invalid(name, value, "The value is not valid UTF-8");
  return std::string(value);
}

S3Result<ListingQuery> read_listing_query(const Request& request, std::string_view limit_name) {
  ListingQuery out;
  TRY(out.prefix, read_position(request, "prefix"));
  TRY(out.delimiter, read_position(request, "delimiter"));
  TRY(out.limit, parse_page_limit(request, limit_name));
  if (const std::string* encoding = request.find_parameter("encoding-type")) {
    if (*encoding != "url") return invalid("encoding-type", *encoding, "Invalid Encoding Method specified in Request");
    out.encoding = KeyEncoding::url;
  }
  return out;
}

void append_name(std::string& out, std::string_view name, KeyEncoding encoding) {
  if (encoding == KeyEncoding::url) percent_append(out, name, Slash::keep);
  else append_xml_text(out, name);
}

void write_name(XmlWriter& xml, std::string_view tag, std::string_view name, KeyEncoding encoding) {
  xml.open(tag);
  append_name(xml.buffer(), name, encoding);
  xml.close(tag);
}

void write_objects(XmlWriter& xml, const std::vector<metadata::ListedObject>& objects, KeyEncoding encoding,
                   const Options* owner) {
  const std::string owner_xml = owner ? owner_markup(*owner) : std::string();
  std::string& out = xml.buffer();
  DateText date;
  for (const metadata::ListedObject& object : objects) {
    out.append("<Contents><Key>");
    append_name(out, object.key, encoding);
    out.append("</Key><LastModified>").append(date.of(object.modified));
    append_etag(out, object);
    append_checksum(out, object);
    out.append("<Size>");
    append_number(out, object.size);
    out.append("</Size><StorageClass>");
    out.append(object.storage_class.empty() ? "STANDARD" : object.storage_class);
    out.append("</StorageClass>");
    out.append(owner_xml);
    out.append("</Contents>");
  }
}

void write_common_prefixes(XmlWriter& xml, const std::vector<std::string>& prefixes, KeyEncoding encoding) {
  std::string& out = xml.buffer();
  for (const std::string& prefix : prefixes) {
    out.append("<CommonPrefixes><Prefix>");
    append_name(out, prefix, encoding);
    out.append("</Prefix></CommonPrefixes>");
  }
}

}  // namespace gabion::gateway::s3
