package openai

import "aihigress/internal/dialect/jsonscan"

// PromptText passes on, in pieces, the texts of a request that the model reads, and its tools as they stand: what
// TextBytes counts. It is for estimates of the prompt's tokens, so a body that breaks off gives what came before. Pieces
// are valid during the call only and may end inside a rune.
func PromptText(body []byte, onText func(part []byte)) {
	p := promptScan{body: body, onText: onText}
	var s jsonscan.Scanner
	s.Init(requestPaths, &p)
	_, _ = s.Write(body) // what was read up to a mistake is all there is
}

type promptScan struct {
	body   []byte
	onText func([]byte)
	tool   int64 // where the tool at hand begins
}

func (p *promptScan) Open(id jsonscan.ID, _ jsonscan.Kind, at int64) {
	if id == idToolList {
		p.tool = at
	}
}

func (p *promptScan) Text(id jsonscan.ID, part []byte) {
	if id == idPromptText || id == idInput {
		p.onText(part)
	}
}

func (p *promptScan) Close(id jsonscan.ID, _ jsonscan.Kind, _ []byte, at int64) {
	if id == idToolList {
		p.onText(p.body[p.tool:at])
	}
}
