//! `docs/parity.md` against both sides: every public name of Python's b2sdk has a row, and every Rust
//! item that a row names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Fields, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

const TABLE: &str = include_str!("../../docs/parity.md");
/// What tests/scripts/parity_names.py printed.
const PYTHON: &str = include_str!("../../fixtures/parity/b2sdk_v3.txt");

/// A row: what Python has, what stands for it here, and a word on it.
struct Row {
    python: Vec<&'static str>,
    rust: Vec<&'static str>,
    note: &'static str,
}

fn rows() -> Vec<Row> {
    let cells = |line: &'static str| -> Vec<&'static str> {
        let inner = line.trim().trim_matches('|');
        inner.split('|').map(str::trim).collect()
    };
    TABLE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| match cells(line)[..] {
            [python, rust, note] => Row {
                python: in_backticks(python),
                rust: in_backticks(rust),
                note,
            },
            _ => panic!("this row has not three cells: {line}"),
        })
        .collect()
}

/// The words between backticks.
fn in_backticks(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn python_names() -> BTreeSet<&'static str> {
    PYTHON
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
}

#[test]
fn every_name_of_python_has_a_row() {
    let rows = rows();
    let covered: BTreeSet<&str> = rows.iter().flat_map(|row| row.python.clone()).collect();
    let has_row = |name: &str| {
        let class = name.split_once('.').map_or(name, |(class, _)| class);
        covered.contains(name) || covered.contains(format!("{class}.*").as_str())
    };
    let missing: Vec<_> = python_names()
        .into_iter()
        .filter(|name| !has_row(name))
        .collect();
    assert!(missing.is_empty(), "without a row: {missing:#?}");
}

#[test]
fn rows_name_only_what_python_has() {
    let names = python_names();
    for row in rows() {
        for python in row.python {
            let is_known = match python.strip_suffix(".*") {
                Some(class) => names.contains(class),
                None => names.contains(python),
            };
            assert!(is_known, "Python has no {python}");
        }
    }
}

#[test]
fn what_has_no_counterpart_has_a_reason() {
    for row in rows() {
        let says = !row.rust.is_empty() || !row.note.is_empty();
        assert!(says, "{:?}: neither a counterpart nor a reason", row.python);
    }
}

#[test]
fn rows_name_only_what_there_is_here() {
    let items = Items::read();
    assert!(items.has("B2Api::authorize_account") && !items.has("B2Api::levitate"));
    let named = rows().into_iter().flat_map(|row| row.rust);
    let missing: BTreeSet<_> = named.filter(|path| !items.has(path)).collect();
    assert!(missing.is_empty(), "there is no public {missing:#?}");
}

/// The public items of the crate: types with what belongs to them, and functions.
#[derive(Default)]
struct Items {
    /// Methods, variants, fields and constants of a type.
    members: BTreeMap<String, BTreeSet<String>>,
    /// What the root of the crate offers.
    root: BTreeSet<String>,
    /// What each public module offers.
    modules: BTreeMap<String, BTreeSet<String>>,
}

impl Items {
    fn read() -> Self {
        let mut items = Self {
            root: offered_by("lib.rs"),
            ..Self::default()
        };
        for (folder, declaring) in [("", "lib.rs"), ("topics/", "topics.rs")] {
            for item in &syntax(declaring).items {
                if let Item::Mod(module) = item
                    && is_public(&module.vis)
                    && module.content.is_none()
                {
                    let name = module.ident.to_string();
                    let offered = offered_by(&format!("{folder}{name}.rs"));
                    items.modules.insert(name, offered);
                }
            }
        }
        let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    items.read_file(&path);
                }
            }
        }
        items
    }

    fn read_file(&mut self, path: &Path) {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        for item in &file.items {
            self.note(item);
        }
    }

    fn note(&mut self, item: &Item) {
        match item {
            Item::Struct(item) if is_public(&item.vis) => {
                let name = item.ident.to_string();
                if let Fields::Named(fields) = &item.fields {
                    let public = fields.named.iter().filter(|field| is_public(&field.vis));
                    let names = public.filter_map(|field| field.ident.as_ref());
                    self.of(&name).extend(names.map(ToString::to_string));
                }
                self.of(&name);
            }
            Item::Enum(item) if is_public(&item.vis) => {
                let variants = item
                    .variants
                    .iter()
                    .map(|variant| variant.ident.to_string());
                self.of(&item.ident.to_string()).extend(variants);
            }
            Item::Trait(item) if is_public(&item.vis) => {
                let methods = item.items.iter().filter_map(|item| match item {
                    TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                    _ => None,
                });
                self.of(&item.ident.to_string()).extend(methods);
            }
            Item::Fn(item) if is_public(&item.vis) => {
                self.of(&item.sig.ident.to_string());
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.of(&item.ident.to_string());
            }
            Item::Macro(item) => self.note_macro(item),
            Item::Impl(item) => {
                let Type::Path(path) = &*item.self_ty else {
                    return;
                };
                let Some(name) = path.path.segments.last() else {
                    return;
                };
                let of_trait = item.trait_.is_some();
                let members = item.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(method) if of_trait || is_public(&method.vis) => {
                        Some(method.sig.ident.to_string())
                    }
                    ImplItem::Const(constant) if of_trait || is_public(&constant.vis) => {
                        Some(constant.ident.to_string())
                    }
                    _ => None,
                });
                self.of(&name.ident.to_string()).extend(members);
            }
            _ => {}
        }
    }

    /// Open enums, ids and secrets are made by macros: the names in them are taken as they stand.
    fn note_macro(&mut self, item: &syn::ItemMacro) {
        let text = item.mac.tokens.to_string();
        let words: Vec<_> = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| word.starts_with(char::is_uppercase))
            .collect();
        for (at, name) in words.iter().enumerate() {
            let following = words[at + 1..].iter().map(ToString::to_string);
            self.of(name).extend(following);
        }
    }

    fn of(&mut self, name: &str) -> &mut BTreeSet<String> {
        self.members.entry(name.to_owned()).or_default()
    }

    /// Whether there is such a `Type`, `Type::member`, `module::function`, `module::Type` or
    /// `module::Type::member`, under the path that a program writes.
    fn has(&self, path: &str) -> bool {
        let segments: Vec<_> = path.trim_end_matches("()").split("::").collect();
        let (offered, path) = match segments[..] {
            [module, ref path @ ..] if self.modules.contains_key(module) => {
                (&self.modules[module], path)
            }
            ref path => (&self.root, path),
        };
        let members = |owner: &str| self.members.get(owner);
        match *path {
            [owner, member] => {
                offered.contains(owner)
                    && members(owner).is_some_and(|members| members.contains(member))
            }
            [item] => offered.contains(item) && members(item).is_some(),
            // The module itself.
            [] => true,
            _ => false,
        }
    }
}

fn syntax(file: &str) -> syn::File {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The names that a file re-exports or defines for everybody.
fn offered_by(file: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in &syntax(file).items {
        match item {
            Item::Use(item) if is_public(&item.vis) => offered(&item.tree, &mut names),
            Item::Struct(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            Item::Enum(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            Item::Trait(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            Item::Fn(item) if is_public(&item.vis) => _ = names.insert(item.sig.ident.to_string()),
            Item::Const(item) if is_public(&item.vis) => _ = names.insert(item.ident.to_string()),
            _ => {}
        }
    }
    names
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The names that a `pub use` brings.
fn offered(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => offered(&path.tree, names),
        UseTree::Name(name) => {
            names.insert(name.ident.to_string());
        }
        UseTree::Rename(name) => {
            names.insert(name.rename.to_string());
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| offered(tree, names)),
        UseTree::Glob(_) => {}
    }
}
