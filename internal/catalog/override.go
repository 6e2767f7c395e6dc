package catalog

import (
	"aihigress/internal/fault"
	"aihigress/internal/money"
)

// prices are the prices of the overrides by the names of their fields.
func (o *Overrides) prices() map[string]*money.Price {
	return map[string]*money.Price{
		"inputPrice": o.Rate.Input, "cachedInputPrice": o.Rate.CachedInput, "cacheWritePrice": o.Rate.CacheWrite, "outputPrice": o.Rate.Output,
	}
}

// check holds overrides against their rules, and gives their capabilities their own names.
func (o *Overrides) check() error {
	for field, price := range o.prices() {
		if price != nil && *price < 0 {
			return fault.Field(field, "a price is not negative")
		}
	}
	for field, tokens := range map[string]*int64{"contextTokens": o.ContextTokens, "maxOutputTokens": o.MaxOutputTokens} {
		if tokens != nil && *tokens < 1 {
			return fault.Field(field, "a number of tokens is above zero")
		}
	}
	if err := o.Rate.Rare.Check(); err != nil {
		return err
	}
	if o.Capabilities == nil {
		return nil
	}
	names, err := NamedCapabilities(o.Capabilities)
	o.Capabilities = names
	return err
}

// describe adds overrides to what the audit log keeps of their route.
func (o *Overrides) describe(details map[string]any) {
	for field, price := range o.prices() {
		if price != nil {
			details[field] = price.String()
		}
	}
	if rare := o.Rate.Rare.OrNil(); rare != nil {
		details["rarePrices"] = rare
	}
	if o.ContextTokens != nil {
		details["contextTokens"] = *o.ContextTokens
	}
	if o.MaxOutputTokens != nil {
		details["maxOutputTokens"] = *o.MaxOutputTokens
	}
	if o.Capabilities != nil {
		details["capabilities"] = o.Capabilities
	}
}
