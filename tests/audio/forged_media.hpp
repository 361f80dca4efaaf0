/// Files as no program writes them: MP4 whose tables promise what is not there, and what unpacks to far more than it
/// is.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace hotmic::forged {

inline std::string u32(std::initializer_list<std::uint32_t> numbers) {
    std::string bytes;
    for (const auto number : numbers) {
        for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
    }
    return bytes;
}

inline std::string zeros(std::size_t count) {
    return std::string(count, '\0');
}

inline std::string box(std::string_view type, const std::string& body) {
    return u32({static_cast<std::uint32_t>(8 + body.size())}) + std::string(type) + body;
}

/// What the tables of one track say, without a byte of audio to show for it.
struct Track {
    std::string codec = "mp4a";
    std::uint32_t samples = 0;  ///< in stsz, all of `sample_bytes`
    std::uint32_t sample_bytes = 1;
    std::uint32_t samples_per_chunk = 0;  ///< in stsc; 0 for as many as there are
    std::uint32_t sample_duration = 1024;
};

inline std::string trak(const Track& track, std::uint32_t id) {
    const auto per_chunk = track.samples_per_chunk != 0 ? track.samples_per_chunk : track.samples;
    const bool empty = track.samples == 0;
    const auto entry = box(track.codec, zeros(7) + '\1' + zeros(8) + u32({0x10010, 0, 16000U << 16}));
    const auto tables = box("stsd", u32({0, 1}) + entry) +
                        box("stts", empty ? u32({0, 0}) : u32({0, 1, track.samples, track.sample_duration})) +
                        box("stsc", empty ? u32({0, 0}) : u32({0, 1, 1, per_chunk, 1})) +
                        box("stsz", u32({0, empty ? 0 : track.sample_bytes, track.samples})) +
                        box("stco", empty ? u32({0, 0}) : u32({0, 1, 40}));
    const auto media = box("mdhd", u32({0, 0, 0, 16000, 16000, 0})) + box("hdlr", u32({0, 0}) + "soun" + zeros(13)) +
                       box("minf", box("stbl", tables));
    return box("trak", box("tkhd", u32({1, 0, 0, id, 0, 1000}) + zeros(60)) + box("mdia", media));
}

inline std::string moov(const Track& track, std::uint32_t tracks, const std::string& more = {}) {
    std::string body = box("mvhd", u32({0, 0, 0, 1000, 1000, 0x10000}) + zeros(76));
    for (std::uint32_t id = 1; id <= tracks; ++id) body += trak(track, id);
    return box("moov", body + more);
}

/// A file with `tracks` such tracks, and 2000 zeros as media.
inline std::string mp4(const Track& track, std::uint32_t tracks) {
    return box("ftyp", "isom" + u32({0}) + "isom") + box("mdat", zeros(2000)) + moov(track, tracks);
}

/// `body` as zlib packs it best.
inline std::string packed(const std::string& body) {
    std::string out(compressBound(body.size()), '\0');
    auto size = static_cast<uLongf>(out.size());
    compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(body.data()), body.size(), 9);
    out.resize(size);
    return out;
}

/// The same as `mp4` with its header compressed, as QuickTime once did.
inline std::string compressed_mp4(const Track& track, std::uint32_t tracks) {
    const auto header = moov(track, tracks);
    const auto data = box("cmvd", u32({static_cast<std::uint32_t>(header.size())}) + packed(header));
    return box("ftyp", "qt  " + u32({0}) + "qt  ") + box("mdat", zeros(2000)) +
           box("moov", box("cmov", box("dcom", "zlib") + data));
}

/// A fragmented file: one fragment, in which each of `tracks` tracks has `samples` samples of one byte.
inline std::string fragmented_mp4(std::uint32_t samples, std::uint32_t tracks) {
    std::string defaults;
    std::string fragments = box("mfhd", u32({0, 1}));
    for (std::uint32_t id = 1; id <= tracks; ++id) {
        defaults += box("trex", u32({0, id, 1, 1024, 1, 0}));
        fragments += box("traf", box("tfhd", u32({0x020000, id})) + box("trun", u32({1, samples, 100})));
    }
    return box("ftyp", "isom" + u32({0}) + "isom") + moov({}, tracks, box("mvex", defaults)) + box("moof", fragments) +
           box("mdat", zeros(2000));
}

/// An element of Matroska.
inline std::string element(std::string_view id, const std::string& body) {
    return std::string(id) + u32({0x01000000, static_cast<std::uint32_t>(body.size())}) + body;
}

/// A Matroska file whose tracks each hold a codec's setup of `unpacked` bytes, packed.
inline std::string packed_matroska(int tracks, std::size_t unpacked) {
    const auto number = [](int n) { return std::string(1, static_cast<char>(n)); };
    const auto everything = element("\x50\x32", number(3));  // what is packed: packets and setup
    const auto zlib = element("\x50\x34", element("\x42\x54", number(0)));
    const auto encodings = element("\x6D\x80", element("\x62\x40", everything + zlib));
    const auto setup = element("\x63\xA2", packed(zeros(unpacked)));
    std::string entries;
    for (int id = 1; id <= tracks; ++id) {
        entries += element("\xAE", element("\xD7", number(id)) + element("\x73\xC5", number(id)) +
                                       element("\x83", number(2)) + element("\x86", "A_AAC") + setup + encodings);
    }
    const auto cluster = element("\x1F\x43\xB6\x75", element("\xE7", number(0)));
    return element("\x1A\x45\xDF\xA3", element("\x42\x82", "matroska")) +
           element("\x18\x53\x80\x67", element("\x16\x54\xAE\x6B", entries) + cluster);
}

/// A Matroska file whose cues stand in descending order: each is sorted in before all others.
inline std::string descending_cues(std::uint32_t count) {
    const auto uint = [](std::string_view id, std::uint32_t value) { return element(id, u32({value})); };
    std::string cues;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto position = element("\xB7", uint("\xF7", 1) + uint("\xF1", 1000));
        cues += element("\xBB", uint("\xB3", count - i) + position);
    }
    const auto track =
        element("\xAE", uint("\xD7", 1) + uint("\x73\xC5", 1) + uint("\x83", 2) + element("\x86", "A_PCM/INT/LIT") +
                            element("\xE1", element("\xB5", std::string("\x46\x7A\0\0", 4))));
    const auto block = element("\xA3", std::string("\x81\0\0\x80", 4) + zeros(3200));
    const auto cluster = element("\x1F\x43\xB6\x75", element("\xE7", std::string(1, '\0')) + block);
    return element("\x1A\x45\xDF\xA3", element("\x42\x82", "matroska")) +
           element("\x18\x53\x80\x67",
                   element("\x16\x54\xAE\x6B", track) + element("\x1C\x53\xBB\x6B", cues) + cluster);
}

/// An ID3v2.4 tag with `count` pictures, each of `promised` bytes (less than 256 MiB), of which `held` are there.
inline std::string id3_pictures(int count, std::uint32_t promised, const std::string& held, bool is_packed) {
    const auto synchsafe = [](std::size_t n) {
        return std::string{static_cast<char>(n >> 21 & 0x7F), static_cast<char>(n >> 14 & 0x7F),
                           static_cast<char>(n >> 7 & 0x7F), static_cast<char>(n & 0x7F)};
    };
    const std::string flags = is_packed ? std::string("\0\x09", 2) + u32({promised}) : zeros(2);
    const auto frame_bytes = is_packed ? 4 + held.size() : promised;
    std::string frames;
    for (int i = 0; i < count; ++i) frames += "APIC" + synchsafe(frame_bytes) + flags + held;
    const auto tag_bytes = is_packed ? frames.size() : static_cast<std::size_t>(count) * (10 + promised);
    return "ID3" + std::string("\4\0\0", 3) + synchsafe(tag_bytes) + frames;
}

}  // namespace hotmic::forged
