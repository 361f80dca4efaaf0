#include "store/trust.hpp"

#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "hotmic/error.hpp"
#include "store/catalogue.hpp"
#include "store/descriptor.hpp"
#include "store/transfer.hpp"
#include "text/json.hpp"

namespace hotmic::store {
namespace {

std::map<std::string, std::string> read(const std::filesystem::path& file) {
    std::map<std::string, std::string> known;
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (glz::read_json(known, text)) return {};
    return known;
}

}  // namespace

std::string Trust::of(const std::string& origin) const {
    const auto known = read(file_);
    const auto found = known.find(origin);
    return found == known.end() ? "" : found->second;
}

Result<void> Trust::remember(const std::string& origin, const std::string& sha256) const {
    // Two pulls of different models may end at once.
    auto beside = file_;
    beside += ".lock";
    const Descriptor lock(::open(beside.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return std::unexpected(write_error(beside, errno));
    auto known = read(file_);
    known[origin] = sha256;
    return replace_file(file_, to_json<JsonOptions{{.prettify = true}}>(known) + "\n");
}

std::string origin_of(const Source& source, const File& file) {
    if (!source.hub.empty()) return std::format("{}@{}/{}", source.hub, source.revision, file.path);
    if (!source.packages.empty()) return std::format("{}/{}", source.packages.front(), file.name);
    return shown(source.url + "/" + file.path);
}

}  // namespace hotmic::store
