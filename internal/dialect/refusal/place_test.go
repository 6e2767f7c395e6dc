package refusal

import "testing"

func TestPlace(t *testing.T) {
	t.Parallel()
	message := Place{Within: "messages", Index: 3}
	for want, got := range map[string]string{
		"messages[3]":                              message.Of(""),
		"messages[3].role":                         message.Of(".role"),
		"messages[3].content[0].text":              message.In(".content").At(0).Of(".text"),
		"messages[3].content[12].input_audio.data": message.In(".content").At(12).In(".input_audio").Of(".data"),
		"input[0].tools[1].tools[2].name":          Place{Within: "input"}.In(".tools").At(1).In(".tools").At(2).Of(".name"),
		"output":                                   Place{Within: "output", Index: -1}.Of(""),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
