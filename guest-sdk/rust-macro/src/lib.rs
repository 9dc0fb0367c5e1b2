//! The attribute that turns a typed function into a step.
//!
//! It knows the function's name and what the attribute says, and nothing of its types: those are
//! the affair of `stepwell_sdk::Handler`, so that type aliases, inferred errors and the compiler's own messages work.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{ItemFn, LitStr, meta::ParseNestedMeta, parse_macro_input, spanned::Spanned};

/// Exports a function as this crate's step.
///
/// The function takes the input and, if it wants one, the config; it returns a `Result` whose error converts into
/// `StepError`. Name, version and summary come from `Cargo.toml`. A crate has one step.
///
/// A capability is asked for by its name, with the reason that the operator reads when deciding on the grant:
///
/// ```ignore
/// #[stepwell_sdk::step(http = "asks the model for a label")]
/// fn classify(ticket: Ticket, config: Config) -> Result<Label, StepError> { ... }
/// ```
#[proc_macro_attribute]
pub fn step(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut needs = Vec::new();
    let parser = syn::meta::parser(|meta| {
        needs.push(Need::parse(&meta)?);
        Ok(())
    });
    parse_macro_input!(attribute with parser);
    let function = parse_macro_input!(item as ItemFn);

    match check(&function) {
        Ok(()) => expand(&function, &needs).into(),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#function #error).into()
        }
    }
}

/// A capability of the contract, and why the step wants it.
struct Need {
    variant: &'static str,
    reason: LitStr,
}

impl Need {
    fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let variant = match meta.path.get_ident().map(ToString::to_string).as_deref() {
            Some("http") => "Http",
            Some("state") => "State",
            _ => {
                let message =
                    "no such capability; a step can ask for: http = \"the reason\", state = \"the reason\"";
                return Err(meta.error(message));
            }
        };
        let reason: LitStr = meta.value()?.parse()?;
        if reason.value().trim().is_empty() {
            return Err(syn::Error::new(reason.span(), "say in one line what the step needs it for"));
        }
        Ok(Self { variant, reason })
    }
}

/// What the types cannot tell as well as we can.
fn check(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if let Some(asyncness) = &signature.asyncness {
        return Err(syn::Error::new(
            asyncness.span(),
            "a step is a plain function: the host suspends it by itself",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new(signature.generics.span(), "a step has one input type: no generics"));
    }
    if !(1..=2).contains(&signature.inputs.len()) {
        let message =
            "a step takes its input and, if it wants one, its config: `fn name(input: In, config: Config)`";
        return Err(syn::Error::new(signature.paren_token.span.join(), message));
    }
    Ok(())
}

fn expand(function: &ItemFn, needs: &[Need]) -> Tokens {
    let name = &function.sig.ident;
    let needs = needs.iter().map(|need| {
        let variant = syn::Ident::new(need.variant, need.reason.span());
        let reason = &need.reason;
        quote!(::stepwell_sdk::__private::Need { capability: ::stepwell_sdk::__private::Capability::#variant, reason: #reason })
    });

    quote! {
        #function

        const _: () = {
            const ABOUT: ::stepwell_sdk::__private::About = ::stepwell_sdk::__private::About {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                summary: env!("CARGO_PKG_DESCRIPTION"),
                needs: &[#(#needs),*],
            };
            const _: fn() = || ::stepwell_sdk::__private::assert_step(#name, &ABOUT);
            ::stepwell_sdk::__export_step!(#name, ABOUT);
        };
    }
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;
    use syn::parse_quote;

    use super::*;

    fn needs(attribute: &str) -> syn::Result<Vec<String>> {
        let mut reasons = Vec::new();
        let parser = syn::meta::parser(|meta| {
            reasons.push(Need::parse(&meta)?.reason.value());
            Ok(())
        });
        parser.parse_str(attribute)?;
        Ok(reasons)
    }

    #[test]
    fn a_capability_is_asked_for_with_a_reason() {
        assert_eq!(needs("http = \"reads rates\"").unwrap(), ["reads rates"]);
        assert_eq!(needs("http = \"a\", state = \"b\"").unwrap(), ["a", "b"]);
        assert!(needs("").unwrap().is_empty());
        for wrong in ["http", "http = \" \"", "files = \"reads a file\""] {
            assert!(needs(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_a_step_is_told_in_its_own_words() {
        assert!(
            check(&parse_quote!(
                fn step(input: In) -> Result<Out, E> {}
            ))
            .is_ok()
        );
        assert!(
            check(&parse_quote!(
                fn step(input: In, config: Config) -> Result<Out, E> {}
            ))
            .is_ok()
        );
        let wrong: [(ItemFn, &str); 4] = [
            (
                parse_quote!(
                    async fn step(input: In) -> Result<Out, E> {}
                ),
                "plain function",
            ),
            (
                parse_quote!(
                    fn step<T>(input: T) -> Result<Out, E> {}
                ),
                "generics",
            ),
            (
                parse_quote!(
                    fn step() -> Result<Out, E> {}
                ),
                "takes its input",
            ),
            (
                parse_quote!(
                    fn step(a: A, b: B, c: C) -> Result<Out, E> {}
                ),
                "takes its input",
            ),
        ];
        for (function, words) in wrong {
            let error = check(&function).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
