package llm

// fewTools is how many tools are looked through one by one.
const fewTools = 32

// A ToolIndex finds the tools of one request that the caller runs. Where there are many, maps find them: an answer, or the
// conversation so far, may have as many calls, and each would look through all tools. The tools must stay as they are. The
// zero ToolIndex has none. It is not safe for concurrent use.
type ToolIndex struct {
	tools []Tool
	named map[string]*Tool  // by their names, once one was asked for
	short map[string]string // the names by what ToolName makes of them, once one was asked for
}

// ToolIndex finds the tools of the request, which may be nil.
func (r *Request) ToolIndex() ToolIndex {
	if r == nil {
		return ToolIndex{}
	}
	return ToolIndex{tools: r.Tools}
}

// Of is the tool of a name that the caller runs, the first of several, or nil.
func (x *ToolIndex) Of(name string) *Tool {
	if len(x.tools) > fewTools {
		return x.far(name)
	}
	for i := range x.tools {
		if t := &x.tools[i]; t.Vendor == "" && t.Name == name {
			return t
		}
	}
	return nil
}

func (x *ToolIndex) far(name string) *Tool {
	if x.named == nil {
		x.named = make(map[string]*Tool, len(x.tools))
		for i := range x.tools {
			t := &x.tools[i]
			if _, known := x.named[t.Name]; t.Vendor == "" && !known {
				x.named[t.Name] = t
			}
		}
	}
	return x.named[name]
}

// CallerName is the caller's name of the tool that an upstream knows by ToolName. Any other name stays.
func (x *ToolIndex) CallerName(name string) string {
	if len(x.tools) == 0 || x.Of(name) != nil {
		return name
	}
	if len(x.tools) > fewTools {
		return x.farName(name)
	}
	for i := range x.tools {
		if t := &x.tools[i]; t.Vendor == "" && ToolName(t.Name) == name {
			return t.Name
		}
	}
	return name
}

func (x *ToolIndex) farName(name string) string {
	if x.short == nil {
		x.short = make(map[string]string, len(x.tools))
		for i := range x.tools {
			t := &x.tools[i]
			if t.Vendor != "" {
				continue
			}
			if short := ToolName(t.Name); x.short[short] == "" {
				x.short[short] = t.Name
			}
		}
	}
	if own := x.short[name]; own != "" {
		return own
	}
	return name
}
