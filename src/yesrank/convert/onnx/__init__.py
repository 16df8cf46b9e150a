"""Published safetensors checkpoint -> ONNX files for onnxruntime and Transformers.js, without PyTorch."""
