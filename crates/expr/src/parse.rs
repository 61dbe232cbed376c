//! The parser: tokens become a tree, and names are checked against the place.

use std::ops::Range;

use crate::{
    compare::Comparison,
    error::Error,
    function::Function,
    node::{Index, Node, Shape},
    scope::Names,
    token::{Token, TokenKind, tokens},
    value::Value,
};

/// The deepest an expression may be nested.
const MOST_DEPTH: usize = 50;

/// Reads an expression; an empty one is `None`.
///
/// `base` is the place of the text in what the user gave.
pub(crate) fn parse(text: &str, base: usize, names: &Names) -> Result<Option<Node>, Error> {
    let mut parser = Parser { text, base, names, tokens: tokens(text, base)?, at: 0, depth: 0 };
    if parser.is(&TokenKind::End) {
        return Ok(None);
    }
    let node = parser.expression()?;
    if !parser.is(&TokenKind::End) {
        return Err(parser.unexpected());
    }
    Ok(Some(node))
}

struct Parser<'a> {
    text: &'a str,
    base: usize,
    names: &'a Names,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Reads one side of a chain.
type Side<'a> = fn(&mut Parser<'a>) -> Result<Node, Error>;

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<Node, Error> {
        self.deeper()?;
        let node = self.logical(&TokenKind::Or, Self::and, Shape::Or)?;
        self.depth -= 1;
        Ok(node)
    }

    fn and(&mut self) -> Result<Node, Error> {
        self.logical(&TokenKind::And, Self::equality, Shape::And)
    }

    fn logical(
        &mut self,
        operator: &TokenKind,
        side: Side<'a>,
        shape: fn(Vec<Node>) -> Shape,
    ) -> Result<Node, Error> {
        let first = side(self)?;
        if !self.is(operator) {
            return Ok(first);
        }
        self.deeper()?;
        let start = first.span.start;
        let mut nodes = vec![first];
        while self.eat(operator) {
            nodes.push(side(self)?);
        }
        self.depth -= 1;
        Ok(self.node(start, shape(nodes)))
    }

    fn equality(&mut self) -> Result<Node, Error> {
        self.comparison(Self::order, |kind| match kind {
            TokenKind::Equal => Some(Comparison::Equal),
            TokenKind::NotEqual => Some(Comparison::NotEqual),
            _ => None,
        })
    }

    fn order(&mut self) -> Result<Node, Error> {
        self.comparison(Self::unary, |kind| match kind {
            TokenKind::Less => Some(Comparison::Less),
            TokenKind::LessOrEqual => Some(Comparison::LessOrEqual),
            TokenKind::Greater => Some(Comparison::Greater),
            TokenKind::GreaterOrEqual => Some(Comparison::GreaterOrEqual),
            _ => None,
        })
    }

    fn comparison(
        &mut self,
        side: Side<'a>,
        operator: fn(&TokenKind) -> Option<Comparison>,
    ) -> Result<Node, Error> {
        let first = side(self)?;
        let start = first.span.start;
        let mut rest = Vec::new();
        while let Some(comparison) = operator(&self.peek().kind) {
            self.at += 1;
            rest.push((comparison, side(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(self.node(start, Shape::Compare { first: Box::new(first), rest }))
    }

    fn unary(&mut self) -> Result<Node, Error> {
        let start = self.peek().span.start;
        if !self.eat(&TokenKind::Not) {
            return self.access();
        }
        self.deeper()?;
        let node = self.unary()?;
        self.depth -= 1;
        Ok(self.node(start, Shape::Not(Box::new(node))))
    }

    fn access(&mut self) -> Result<Node, Error> {
        let outer = self.depth;
        let start = self.peek().span.start;
        let (mut node, accessible) = self.primary()?;
        if !accessible {
            return Ok(node);
        }
        loop {
            let index = if self.eat(&TokenKind::OpenIndex) {
                self.index()?
            } else if self.eat(&TokenKind::Dot) {
                self.deeper()?;
                self.property()?
            } else {
                break;
            };
            node = self.node(start, Shape::Index { object: Box::new(node), index });
        }
        self.depth = outer;
        Ok(node)
    }

    /// Reads what stands in brackets, after the opening one.
    fn index(&mut self) -> Result<Index, Error> {
        let index = if self.eat(&TokenKind::Star) {
            Index::Star
        } else {
            Index::Of(Box::new(self.expression()?))
        };
        self.expect(&TokenKind::CloseIndex)?;
        self.deeper()?;
        Ok(index)
    }

    /// Reads what stands after a point.
    fn property(&mut self) -> Result<Index, Error> {
        if self.eat(&TokenKind::Star) {
            return Ok(Index::Star);
        }
        let span = self.peek().span.clone();
        self.expect(&TokenKind::Name)?;
        let name = Value::from(self.text_of(&span));
        Ok(Index::Of(Box::new(Node { shape: Shape::Literal(name), span })))
    }

    /// Reads a value, and says whether it can be accessed: literals cannot.
    fn primary(&mut self) -> Result<(Node, bool), Error> {
        let Token { kind, span } = self.peek().clone();
        let value = match kind {
            TokenKind::Null => Value::Null,
            TokenKind::True => Value::Bool(true),
            TokenKind::False => Value::Bool(false),
            TokenKind::Number(value) => Value::Number(value),
            TokenKind::String(value) => Value::String(value),
            TokenKind::OpenGroup => return Ok((self.group()?, true)),
            TokenKind::Name => return Ok((self.named(&span)?, true)),
            TokenKind::End => return Err(self.ended()),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok((Node { shape: Shape::Literal(value), span }, false))
    }

    fn group(&mut self) -> Result<Node, Error> {
        let start = self.peek().span.start;
        self.at += 1;
        let node = self.expression()?;
        if self.is(&TokenKind::End) {
            return Err(self.ended());
        }
        self.expect(&TokenKind::CloseGroup)?;
        Ok(self.node(start, node.shape))
    }

    /// Reads a context or a call, at its name.
    fn named(&mut self, span: &Range<usize>) -> Result<Node, Error> {
        let written = self.text_of(span);
        let name = written.to_ascii_lowercase();
        self.at += 1;
        if self.eat(&TokenKind::OpenGroup) {
            return self.call(span, &name);
        }
        if !self.names.has_context(&name) {
            let message = format!("Unrecognized named-value: '{written}'");
            return Err(Error::parsing(message, span.start));
        }
        Ok(Node { shape: Shape::Context(name), span: span.clone() })
    }

    /// Reads the arguments of a call, after its opening parenthesis.
    fn call(&mut self, span: &Range<usize>, name: &str) -> Result<Node, Error> {
        let mut arguments = Vec::new();
        if !self.eat(&TokenKind::CloseGroup) {
            loop {
                arguments.push(self.expression()?);
                if self.eat(&TokenKind::CloseGroup) {
                    break;
                }
                self.expect(&TokenKind::Comma)?;
            }
        }
        let function = Function::find(name, self.names, arguments.len()).map_err(|fault| {
            Error::parsing(format!("{fault}: '{}'", self.text_of(span)), span.start)
        })?;
        Ok(self.node(span.start, Shape::Call { function, arguments }))
    }

    /// Makes a node that ends with the last token read.
    fn node(&self, start: usize, shape: Shape) -> Node {
        Node { shape, span: start..self.last().span.end }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            let what = format!("Exceeded max expression depth {MOST_DEPTH}");
            return Err(self.error(&what, self.peek()));
        }
        Ok(())
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn last(&self) -> &Token {
        &self.tokens[self.at.saturating_sub(1)]
    }

    fn is(&self, kind: &TokenKind) -> bool {
        self.peek().kind == *kind
    }

    fn eat(&mut self, kind: &TokenKind) -> bool {
        let found = self.is(kind);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, kind: &TokenKind) -> Result<(), Error> {
        if self.eat(kind) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Error {
        self.error("Unexpected symbol", self.peek())
    }

    fn ended(&self) -> Error {
        self.error("Unexpected end of expression", self.last())
    }

    fn error(&self, what: &str, token: &Token) -> Error {
        let symbol = match &token.kind {
            TokenKind::End => "EOF",
            TokenKind::String(value) => value,
            _ => self.text_of(&token.span),
        };
        Error::parsing(format!("{what}: '{symbol}'"), token.span.start)
    }

    fn text_of(&self, span: &Range<usize>) -> &'a str {
        &self.text[span.start - self.base..span.end - self.base]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&["github", "foo", "a", "b", "c"], &["success", "hashFiles"])
    }

    /// Writes a tree with every group visible.
    fn show(node: &Node) -> String {
        let list = |nodes: &[Node], between: &str| {
            nodes.iter().map(show).collect::<Vec<_>>().join(between)
        };
        match &node.shape {
            Shape::Literal(value) => value.to_text(),
            Shape::Context(name) => name.clone(),
            Shape::Index { object, index: Index::Star } => format!("{}[*]", show(object)),
            Shape::Index { object, index: Index::Of(index) } => {
                format!("{}[{}]", show(object), show(index))
            }
            Shape::Call { function, arguments } => {
                format!("{}({})", function.name(), list(arguments, ", "))
            }
            Shape::Not(node) => format!("!{}", show(node)),
            Shape::Compare { first, rest } => {
                let mut text = show(first);
                for (comparison, node) in rest {
                    text = format!("{text} {comparison:?} {}", show(node));
                }
                format!("({text})")
            }
            Shape::And(nodes) => format!("({})", list(nodes, " && ")),
            Shape::Or(nodes) => format!("({})", list(nodes, " || ")),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match parse(text, 0, &names()) {
            Ok(Some(node)) => show(&node),
            Ok(None) => String::new(),
            Err(error) => format!("{} @{}", error.message, error.offset),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn operators_bind_as_on_github() {
        check("a || b && c", "(a || (b && c))");
        check("a && b == c", "(a && (b Equal c))");
        check("a == b < c", "(a Equal (b Less c))");
        check("a == b != c", "(a Equal b NotEqual c)");
        check("!a == b", "(!a Equal b)");
        check("!(a == b)", "!(a Equal b)");
        check("!a.b", "!a[b]");
    }

    #[test]
    fn accesses_follow_contexts_calls_and_groups() {
        check("github.event['issue'][0].*", "github[event][issue][0][*]");
        check("fromJSON('x').a", "fromjson(x)[a]");
        check("(a || b).c[*]", "(a || b)[c][*]");
        check("'x'[0]", "Unexpected symbol: '[' @3");
        check("1.a", "Unexpected symbol: '1.a' @0");
    }

    #[test]
    fn names_must_be_known_and_arguments_fit() {
        check("nope", "Unrecognized named-value: 'nope' @0");
        check("a && Nope.x", "Unrecognized named-value: 'Nope' @5");
        check("nope(1)", "Unrecognized function: 'nope' @0");
        check("always()", "Unrecognized function: 'always' @0");
        check("success(1)", "Too many parameters supplied: 'success' @0");
        check("hashFiles()", "Too few parameters supplied: 'hashFiles' @0");
        check("contains(a)", "Too few parameters supplied: 'contains' @0");
        check(
            "case(a, b, c, 1)",
            "Even number of parameters supplied, requires an odd number of parameters: 'case' @0",
        );
        check("GITHUB.x == SUCCESS()", "(github[x] Equal success())");
    }

    #[test]
    fn broken_texts_say_where() {
        check("1 <", "Unexpected end of expression: '<' @2");
        check("(1", "Unexpected end of expression: '1' @1");
        check("(1,", "Unexpected symbol: ',' @2");
        check("1 2", "Unexpected symbol: '2' @2");
        check("a[1", "Unexpected symbol: 'EOF' @3");
        check("format('a',)", "Unexpected symbol: ')' @11");
        check("github.()", "Unexpected symbol: '(' @7");
        check("a.1", "Unexpected symbol: '1' @2");
        check("*", "Unexpected symbol: '*' @0");
        check("a == 'b' 'c d'", "Unexpected symbol: 'c d' @9");
    }

    #[test]
    fn an_empty_text_is_no_expression() {
        check("", "");
        check(" \n\t", "");
    }

    #[test]
    fn depth_is_limited_and_width_is_not() {
        let deep = |depth: usize| format!("{}a", "!".repeat(depth));
        assert!(parse(&deep(49), 0, &names()).is_ok());
        assert!(parse(&deep(50), 0, &names()).is_err());
        for access in [".a", ".*", "[1]", "[*]"] {
            assert!(parse(&format!("a{}", access.repeat(49)), 0, &names()).is_ok(), "{access}");
            assert!(parse(&format!("a{}", access.repeat(50)), 0, &names()).is_err(), "{access}");
        }
        for operator in ["||", "&&", "==", "<"] {
            let accesses = vec!["a.b[0]"; 500].join(operator);
            assert!(parse(&accesses, 0, &names()).is_ok(), "{operator}");
            let wide = vec!["1"; 5_000].join(operator);
            assert!(parse(&wide, 0, &names()).is_ok(), "{operator}");
        }
    }

    #[test]
    fn spans_cover_the_whole_of_each_part_and_count_from_the_base() {
        let text = " (a.b) == c ";
        let node = parse(text, 100, &names()).unwrap().unwrap();
        let mut seen = Vec::new();
        node.visit(&mut |node| seen.push(&text[node.span.start - 100..node.span.end - 100]));
        assert_eq!(seen, ["(a.b) == c", "(a.b)", "a", "b", "c"]);
    }
}
