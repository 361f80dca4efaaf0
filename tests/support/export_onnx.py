#!/usr/bin/env python3
"""A Whisper model of whisper.cpp's format as the ONNX files that other programs' exporters make of it, to try hotmic's reading of them.

usage: export_onnx.py FILE.bin FOLDER [--layout huggingface|sherpa]

  huggingface   what `optimum-cli export onnx` writes: encoder_model.onnx, decoder_model_merged.onnx, decoder_model.onnx,
                decoder_with_past_model.onnx, config.json, generation_config.json, tokenizer.json; and _quantized, _fp16, _q4, _bnb4 beside them
  sherpa        NAME-encoder.onnx, NAME-decoder.onnx, NAME-tokens.txt with sherpa-onnx's names and metadata; and .int8 beside them

It runs the real exporters, so it wants what the tests do not: torch, transformers, optimum, onnx, onnxruntime, onnxconverter-common
in a virtual environment (tried with torch 1.13, transformers 4.36.2, optimum 1.16.2, onnx 1.15.0, onnxruntime 1.17.3). Tests that need no exporter write
the same layouts by tests/onnx/onnx_test_folder.cpp, whose names are those that were seen here.
"""

import argparse
import base64
import json
import struct
from pathlib import Path

import numpy as np

LANGUAGES = ("en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu "
             "is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue").split()


class Ggml:
    """Header, vocabulary and tensors (as f32, under OpenAI's names) of a file of whisper.cpp."""

    FIELDS = "n_vocab n_audio_ctx n_audio_state n_audio_head n_audio_layer n_text_ctx n_text_state n_text_head n_text_layer n_mels ftype".split()

    def __init__(self, path):
        self.data, self.at = Path(path).read_bytes(), 0
        if self.take("i") != 0x67676D6C:
            raise SystemExit(f"{path} is no file of whisper.cpp")
        self.header = dict(zip(self.FIELDS, self.take("11i")))
        mels, bins = self.take("2i")
        self.at += 4 * mels * bins
        self.vocabulary = []
        for _ in range(self.take("i")):
            size = self.take("i")
            self.vocabulary.append(self.data[self.at:self.at + size])
            self.at += size
        self.tensors = {}
        while self.at < len(self.data):
            rank, length, kind = self.take("3i")
            shape = [self.take("i") for _ in range(rank)][::-1]
            name = self.data[self.at:self.at + length].decode()
            self.at += length
            self.tensors[name] = self.numbers(kind, shape)

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def raw(self, kind, count):
        made = np.frombuffer(self.data, kind, count, self.at)
        self.at += made.nbytes
        return made

    def numbers(self, kind, shape):
        count = int(np.prod(shape))
        if kind == 0:
            return self.raw("<f4", count).reshape(shape).copy()
        if kind == 1:
            return self.raw("<f2", count).astype("f4").reshape(shape)
        if kind == 8:  # q8_0
            blocks = self.raw(np.dtype([("d", "<f2"), ("q", "i1", 32)]), count // 32)
            return (blocks["d"].astype("f4")[:, None] * blocks["q"]).reshape(shape)
        if kind == 6:  # q5_0
            blocks = self.raw(np.dtype([("d", "<f2"), ("h", "<u4"), ("q", "u1", 16)]), count // 32)
            high = (blocks["h"][:, None] >> np.arange(32)) & 1
            low = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1)
            return (blocks["d"].astype("f4")[:, None] * ((low | (high << 4)).astype("f4") - 16)).reshape(shape)
        raise SystemExit(f"weights of ggml's kind {kind} are not read here; use f32, f16, q8_0 or q5_0")


def special_tokens(n_vocab):
    """As whisper.cpp implies them: {name: id}."""
    multilingual = n_vocab >= 51865
    end = 50257 if multilingual else 50256
    languages = LANGUAGES[:n_vocab - 51765] if multilingual else LANGUAGES[:99]
    names = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages), "<|translate|>", "<|transcribe|>", "<|startoflm|>",
             "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    return {name: end + i for i, name in enumerate(names)}, multilingual, languages


def spelled(piece):
    """Bytes as GPT-2 spells them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    codes = {byte: byte for byte in printable} | {byte: 256 + i for i, byte in enumerate(others)}
    return "".join(chr(codes[byte]) for byte in piece)


def pieces_of(model, end):
    """One spelling for each ordinary token; a small vocabulary has places without a piece of their own."""
    seen, pieces = set(), []
    for token in range(end):
        piece = spelled(model.vocabulary[token]) if token < len(model.vocabulary) else ""
        if not piece or piece in seen:
            piece = f"<unused{token}>"
        seen.add(piece)
        pieces.append(piece)
    return pieces


def huggingface_name(name):
    for ours, theirs in (("encoder.conv", "model.encoder.conv"), (".positional_embedding", ".embed_positions.weight"), (".token_embedding.", ".embed_tokens."), (".blocks.", ".layers."),
                         (".cross_attn_ln.", ".encoder_attn_layer_norm."), (".attn_ln.", ".self_attn_layer_norm."), (".cross_attn.", ".encoder_attn."), (".attn.", ".self_attn."),
                         (".query.", ".q_proj."), (".key.", ".k_proj."), (".value.", ".v_proj."), (".out.", ".out_proj."), (".mlp.0.", ".fc1."), (".mlp.2.", ".fc2."),
                         (".mlp_ln.", ".final_layer_norm."), (".ln_post.", ".layer_norm."), ("decoder.ln.", "decoder.layer_norm.")):
        name = name.replace(ours, theirs)
    return name if name.startswith("model.") else "model." + name


def huggingface(model, folder):
    import torch
    from optimum.exporters.onnx import main_export
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    h = model.header
    special, multilingual, languages = special_tokens(h["n_vocab"])
    config = WhisperConfig(vocab_size=h["n_vocab"], num_mel_bins=h["n_mels"], encoder_layers=h["n_audio_layer"], encoder_attention_heads=h["n_audio_head"],
                           decoder_layers=h["n_text_layer"], decoder_attention_heads=h["n_text_head"], decoder_ffn_dim=4 * h["n_text_state"],
                           encoder_ffn_dim=4 * h["n_audio_state"], d_model=h["n_audio_state"], max_source_positions=h["n_audio_ctx"],
                           max_target_positions=h["n_text_ctx"], decoder_start_token_id=special["<|startoftranscript|>"], pad_token_id=special["<|endoftext|>"],
                           bos_token_id=special["<|endoftext|>"], eos_token_id=special["<|endoftext|>"])
    made = WhisperForConditionalGeneration(config)
    state = {huggingface_name(name): torch.from_numpy(np.ascontiguousarray(values.squeeze(-1) if name.startswith("encoder.conv") and name.endswith("bias") else values))
             for name, values in model.tensors.items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    missing, unknown = made.load_state_dict(state, strict=False)
    assert not unknown and not missing, (missing, unknown)
    made.generation_config.update(is_multilingual=multilingual, no_timestamps_token_id=special["<|notimestamps|>"])
    if multilingual:
        made.generation_config.update(lang_to_id={f"<|{code}|>": special[f"<|{code}|>"] for code in languages},
                                      task_to_id={"transcribe": special["<|transcribe|>"], "translate": special["<|translate|>"]})
    torch_folder = folder / "torch"
    made.eval().save_pretrained(torch_folder, safe_serialization=True)
    tokenizer = {"added_tokens": [{"id": id, "content": name} for name, id in special.items()],
                 "model": {"type": "BPE", "vocab": {piece: i for i, piece in enumerate(pieces_of(model, special["<|endoftext|>"]))}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    main_export(str(torch_folder), output=folder, task="automatic-speech-recognition-with-past", do_validation=False, no_post_process=False)
    quantize(folder, ["encoder_model", "decoder_model_merged", "decoder_model"], lambda name: f"{name}_quantized.onnx", "QUInt8", None)
    compress(folder)


def compress(folder):
    """_q4 and _bnb4 by ONNX Runtime's tools, _fp16 by onnxconverter-common's."""
    import onnx
    from onnxconverter_common import float16
    from onnxruntime.quantization.matmul_4bits_quantizer import MatMul4BitsQuantizer
    from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer

    for name in ("encoder_model", "decoder_model"):
        for suffix, tool in (("_q4", MatMul4BitsQuantizer), ("_bnb4", MatMulBnb4Quantizer)):
            model = onnx.load(folder / f"{name}.onnx")
            made = tool(model, 32, True) if suffix == "_q4" else tool(model, tool.NF4, 64)
            made.process()
            made.model.save_model_to_file(str(folder / f"{name}{suffix}.onnx"), False)
    for name in ("encoder_model", "decoder_model_merged", "decoder_model"):
        onnx.save(float16.convert_float_to_float16(onnx.load(folder / f"{name}.onnx"), keep_io_types=True, disable_shape_infer=True), folder / f"{name}_fp16.onnx")


def quantize(folder, names, called, kind, operators):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for name in names:
        quantize_dynamic(folder / f"{name}.onnx", folder / called(name), weight_type=QuantType[kind], op_types_to_quantize=operators or ["MatMul", "Gather"],
                         extra_options={"EnableSubgraph": True})


def sherpa(model, folder, name):
    """The graphs that sherpa-onnx's Whisper export has: the encoder gives keys and values of the cross-attention, the decoder takes caches of fixed length."""
    import onnx
    import torch
    from torch import nn
    from whisper.model import ModelDimensions, Whisper

    h = model.header
    special, multilingual, languages = special_tokens(h["n_vocab"])
    made = Whisper(ModelDimensions(**{key: h[key] for key in ModelDimensions.__dataclass_fields__}))
    state = {key: torch.from_numpy(np.ascontiguousarray(values.squeeze(-1) if key.startswith("encoder.conv") and key.endswith("bias") else values))
             for key, values in model.tensors.items()}
    missing, unknown = made.load_state_dict(state, strict=False)
    assert not unknown and not missing, (missing, unknown)
    made.eval()

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.audioEncoder, self.textDecoder = made.encoder, made.decoder

        def forward(self, mel):
            heard = self.audioEncoder(mel)
            attentions = [block.cross_attn for block in self.textDecoder.blocks]
            pairs = [(each.key(heard), each.value(heard)) for each in attentions]
            return torch.stack([key for key, _ in pairs]), torch.stack([value for _, value in pairs])

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.textDecoder = made.decoder

        def forward(self, tokens, keys, values, cross_keys, cross_values, offset):
            end = offset[0] + tokens.shape[-1]
            decoder = self.textDecoder
            x = decoder.token_embedding(tokens) + decoder.positional_embedding[offset[0]:end]
            for i, block in enumerate(decoder.blocks):
                normed, attention = block.attn_ln(x), block.attn
                query, key, value = attention.query(normed), attention.key(normed), attention.value(normed)
                keys[i, :, offset[0]:end], values[i, :, offset[0]:end] = key, value
                x = x + attention.out(attention.qkv_attention(query, keys[i, :, :end], values[i, :, :end], decoder.mask)[0])
                normed, attention = block.cross_attn_ln(x), block.cross_attn
                x = x + attention.out(attention.qkv_attention(attention.query(normed), cross_keys[i], cross_values[i], None)[0])
                x = x + block.mlp(block.mlp_ln(x))
            logits = torch.matmul(decoder.token_embedding.weight, decoder.ln(x).permute(0, 2, 1)).permute(0, 2, 1)
            return logits, keys, values

    with torch.no_grad():
        mel = torch.rand(1, h["n_mels"], 2 * h["n_audio_ctx"])
        files = [folder / f"{name}-encoder.onnx", folder / f"{name}-decoder.onnx"]
        torch.onnx.export(Encoder(), mel, str(files[0]), opset_version=13, input_names=["mel"], output_names=["n_layer_cross_k", "n_layer_cross_v"],
                          dynamic_axes={"mel": {0: "n_audio"}})
        cache = torch.zeros(h["n_text_layer"], 1, h["n_text_ctx"], h["n_text_state"])
        cross = torch.zeros(h["n_text_layer"], 1, h["n_audio_ctx"], h["n_text_state"])
        torch.onnx.export(Decoder(), (torch.tensor([[special["<|startoftranscript|>"]] * 3]), cache, cache.clone(), cross, cross.clone(), torch.zeros(1, dtype=torch.int64)),
                          str(files[1]), opset_version=13,
                          input_names=["tokens", "in_n_layer_self_k_cache", "in_n_layer_self_v_cache", "n_layer_cross_k", "n_layer_cross_v", "offset"],
                          output_names=["logits", "out_n_layer_self_k_cache", "out_n_layer_self_v_cache"], dynamic_axes={"tokens": {0: "n_audio", 1: "n_tokens"}})
    codes = list(languages) if multilingual else ["en"]
    tokens = [special[f"<|{code}|>"] for code in codes]
    metadata = {key: h[key] for key in Ggml.FIELDS if key != "ftype"} | {
        "model_type": f"whisper-{name}", "version": 1, "maintainer": "k2-fsa", "sot_sequence": special["<|startoftranscript|>"],
        "all_language_tokens": ",".join(map(str, tokens)), "all_language_codes": ",".join(codes), "sot": special["<|startoftranscript|>"],
        "eot": special["<|endoftext|>"], "is_multilingual": int(multilingual), "no_speech": special["<|nospeech|>"], "transcribe": special["<|transcribe|>"],
        "translate": special["<|translate|>"], "sot_prev": special["<|startofprev|>"], "sot_lm": special["<|startoflm|>"],
        "no_timestamps": special["<|notimestamps|>"]}
    graph = onnx.load(files[0])
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(graph, files[0])
    (folder / f"{name}-tokens.txt").write_text("".join(f"{base64.b64encode(piece).decode()} {i}\n" for i, piece in enumerate(model.vocabulary[:special['<|endoftext|>']])))
    quantize(folder, [f"{name}-encoder", f"{name}-decoder"], lambda each: f"{each}.int8.onnx", "QInt8", ["MatMul"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", choices=["huggingface", "sherpa"], default="huggingface")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    model = Ggml(options.file)
    if options.layout == "sherpa":
        sherpa(model, options.folder, options.file.stem.removeprefix("ggml-"))
    else:
        huggingface(model, options.folder)


if __name__ == "__main__":
    main()
