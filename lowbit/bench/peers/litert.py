"""LiteRT, by the flatbuffer that lowbit writes of its own 8-bit graph."""

from collections.abc import Callable

import lowbit
from lowbit.bench.subject import Subject


def int8(subject: Subject) -> tuple[Callable[[], object], int]:
    from ai_edge_litert.interpreter import Interpreter

    from lowbit.interchange import to_tflite

    model = to_tflite(lowbit.ptq(subject.model, subject.calibration, form="F"), subject.batch)
    interpreter = Interpreter(model_content=model, num_threads=subject.threads)
    interpreter.allocate_tensors()
    (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
    x = subject.images.numpy()

    def run() -> object:
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(wanted["index"])

    return run, len(model)
