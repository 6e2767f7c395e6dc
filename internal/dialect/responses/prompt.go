package responses

import "aihigress/internal/dialect/jsonscan"

// PromptText implements dialect.Scanned. A body that breaks off gives what came before.
func (s *scanned) PromptText(body []byte, onText func(part []byte)) {
	p := promptScan{body: body, onText: onText}
	var scan jsonscan.Scanner
	scan.Init(requestPaths, &p)
	_, _ = scan.Write(body) // what was read up to a mistake is all there is
}

type promptScan struct {
	body   []byte
	onText func([]byte)
	tool   int64 // where the tool at hand begins
}

func (p *promptScan) Open(id jsonscan.ID, _ jsonscan.Kind, at int64) {
	if id == idTool {
		p.tool = at
	}
}

func (p *promptScan) Text(id jsonscan.ID, part []byte) {
	if id == idText || id == idInput || id == idInstructions {
		p.onText(part)
	}
}

func (p *promptScan) Close(id jsonscan.ID, _ jsonscan.Kind, _ []byte, at int64) {
	if id == idTool {
		p.onText(p.body[p.tool:at])
	}
}
