package openai

import "aihigress/internal/dialect/jsonscan"

// PromptText implements dialect.Scanned. It is for estimates, so a body that breaks off gives what came before.
func (*scanned) PromptText(body []byte, onText func(part []byte)) {
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
