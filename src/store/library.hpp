/// The models on this machine: those in the store, one folder for each content, and those that other programs have
/// fetched from a model hub, which are used where they are.
///
///   FOLDER/base-60ed5bc3dd14/            a model: its files, and hotmic-model.json, written last
///   FOLDER/.partial/…                    what is being fetched; never loaded, taken up again by the next pull
///   FOLDER/.trusted.json                 digests of files that the catalogue could not vouch for, as they first came
///
/// Whatever else lies in FOLDER was put there by hand and is left alone.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"

namespace hotmic::store {

/// One file as it came.
struct Stored {
    std::string name;
    Bytes size{};
    std::string sha256{};
    bool verified = true;  ///< its digest was known before it came
};

struct Installed {
    std::string name;              ///< in the catalogue, or what it was called when it came by URL
    std::filesystem::path path{};  ///< what an engine loads: the only file, else the folder
    std::filesystem::path folder{};
    std::string source{};  ///< where it is from
    std::string pulled_at{};
    std::vector<Stored> files{};
    bool in_place = false;  ///< in another program's cache: found, not kept by us

    [[nodiscard]] Bytes size() const;
    /// Of its only file, where that is known; else empty.
    [[nodiscard]] std::string digest() const;
};

/// Whether a model is still what came.
struct Check {
    Installed model;
    std::vector<std::string> problems{};  ///< in words; none: all is well
};

class Library {
public:
    /// `hub_caches`: folders in the layout of huggingface_hub.
    explicit Library(std::filesystem::path folder, std::vector<std::filesystem::path> hub_caches = {});
    /// With the caches that this process' environment names, and the usual one.
    [[nodiscard]] static Library of_process(std::filesystem::path folder);

    /// The catalogue's model as it is now: with the digests that one of its sources has. In the store, else in a cache.
    [[nodiscard]] std::optional<Installed> find(const Entry& entry) const;
    /// By the name under which it was pulled; or "owner/repository" of a cache, for a model of CTranslate2 or one of
    /// Hugging Face's in ONNX.
    [[nodiscard]] std::optional<Installed> find(std::string_view name) const;

    /// Those in the store, by name.
    [[nodiscard]] std::vector<Installed> stored() const;
    /// Those of the catalogue that are in a cache.
    [[nodiscard]] std::vector<Installed> cached(const Catalogue& catalogue) const;

    /// Removes every version of it from the store, and what was begun of it. Errors: model_not_found; invalid_request
    /// for one that lies in another program's cache; io_error.
    [[nodiscard]] Result<std::vector<Installed>> remove(const Catalogue& catalogue, std::string_view name) const;
    /// Reads every file again. `told` hears how many bytes have been read of it. Errors: load_cancelled.
    [[nodiscard]] Result<Check> verify(const Installed& model, const std::function<void(Bytes)>& told = {},
                                       const std::stop_token& stop = {}) const;

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
    [[nodiscard]] std::filesystem::path partial() const { return folder_ / ".partial"; }

private:
    [[nodiscard]] std::optional<Installed> in_cache(const std::string& repository, const std::string& revision,
                                                    const std::vector<File>& files) const;

    std::filesystem::path folder_;
    std::vector<std::filesystem::path> hub_caches_;
};

/// What a folder of the store says it is; nothing where it is none, or not whole.
[[nodiscard]] std::optional<Installed> read_manifest(const std::filesystem::path& folder);
/// Errors: disk_full, io_error.
[[nodiscard]] Result<void> write_manifest(const Installed& model);
/// "base-60ed5bc3dd14": the name, and the content's digest.
[[nodiscard]] std::string folder_name(const std::string& name, const std::vector<Stored>& files);

/// What an engine would be given of a folder of models: itself, or the only file of a folder of the store.
[[nodiscard]] std::filesystem::path loadable(const std::filesystem::path& entry);

}  // namespace hotmic::store
