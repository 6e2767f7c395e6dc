package simulator

import "strconv"

// modelsCreated is when the made-up models were made: 2026-01-01.
const modelsCreated = 1767225600

// catalogue are the names that GET /v1/models lists. Any other name works as well.
var catalogue = []string{
	"sim-chat",
	"sim-slow",
	"sim-flaky",
	"sim-thinking",
	benchModel,
	"sim-embedding",
}

// answerModels answers GET /v1/models.
func answerModels(x *exchange) outcome {
	b := append(x.buf[:0], `{"object":"list","data":[`...)
	for i, name := range catalogue {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendModel(b, name)
	}
	x.buf = append(b, "]}"...)
	return x.reply(x.buf)
}

// answerModel answers GET /v1/models/{model}: every model exists.
func answerModel(x *exchange) outcome {
	x.buf = appendModel(x.buf[:0], x.r.PathValue("model"))
	return x.reply(x.buf)
}

func appendModel(dst []byte, name string) []byte {
	dst = appendString(append(dst, `{"id":`...), name)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, modelsCreated, 10)
	return append(dst, `,"owned_by":"simulator"}`...)
}
