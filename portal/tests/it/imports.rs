//! No import cycle within a crate spans more than a module and its descendants.
//!
//! The children of a module, each with its own descendants, may import from each other in one
//! direction only. A module and its descendants are one thing: they may use each other. A name is
//! followed through re-exports to the file that defines it. Tests are left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::iter::successors;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, UseTree};

/// The index of a module in [`Modules`]; the root of the crate is the first.
type Id = usize;
/// The names of a path.
type Names = Vec<String>;
/// Which child of a module imports from which of its siblings, with the files and the path.
type Imports = BTreeMap<(Id, Id), String>;

/// Aliases that lead to further aliases; more are taken for a name that is imported from itself.
const LONGEST_CHAIN: usize = 9;

#[test]
fn no_import_cycle_spans_more_than_a_module_and_its_descendants() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).exec().expect("cargo metadata");
    let targets = metadata.workspace_packages().into_iter().flat_map(|package| &package.targets);
    let roots: Vec<_> = targets.filter(|target| target.is_lib() || target.is_bin()).collect();
    assert!(roots.len() > 5, "{roots:?}");
    let cycles: Vec<_> = roots
        .iter()
        .flat_map(|target| Modules::of_crate(target.src_path.as_std_path()).cycles())
        .map(|cycle| cycle.replace(&format!("{}/", metadata.workspace_root), ""))
        .collect();
    assert!(cycles.is_empty(), "these files import from each other:\n\n{}", cycles.join("\n\n"));
}

#[test]
fn a_cycle_is_found_through_re_exports_macros_and_attributes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("lib.rs", "mod a; mod b; mod c; mod d; pub use crate::b::B;");
    write("a.rs", "mod inner; pub struct A; use inner::Inner;");
    write("a/inner.rs", "use super::A; pub struct Inner; fn f() { assert!(crate::B::new()); }");
    write("b.rs", "pub struct B; #[serde(with = \"crate::c\")] struct Field;");
    write("c.rs", "use crate::d::*; #[cfg(test)] use crate::b::B;");
    write("d.rs", "use crate::a as another; type D = another::inner::Inner;");
    let cycles = Modules::of_crate(&folder.path().join("lib.rs")).cycles();
    assert_eq!(cycles.len(), 1, "{cycles:?}");
    assert_eq!(cycles[0].lines().count(), 4, "{cycles:?}");
    for file in ["a/inner.rs", "b.rs", "c.rs", "d.rs"] {
        assert!(cycles[0].contains(file), "{file} is missing: {}", cycles[0]);
    }
    write("d.rs", "use std::fmt::Debug;");
    let cycles = Modules::of_crate(&folder.path().join("lib.rs")).cycles();
    assert!(cycles.is_empty(), "{cycles:?}");
}

struct Module {
    /// The file that holds it.
    file: PathBuf,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    /// What each name stands for that `use` brings in.
    aliases: BTreeMap<String, Names>,
    /// Every path of two names or more, and every `use`.
    paths: BTreeSet<Names>,
}

/// The modules of one crate.
struct Modules(Vec<Module>);

impl Modules {
    fn of_crate(root: &Path) -> Self {
        let mut modules = Self(Vec::new());
        modules.add(None, root, root.parent().expect("a folder"), &parse(root));
        modules
    }

    /// Adds a module and its descendants, whose files are in the folder.
    fn add(&mut self, parent: Option<Id>, file: &Path, folder: &Path, items: &[Item]) -> Id {
        let id = self.0.len();
        let mut found = Found::default();
        items.iter().for_each(|item| found.visit_item(item));
        let Found { aliases, paths, modules } = found;
        let (file, children) = (file.to_owned(), BTreeMap::new());
        self.0.push(Module { file: file.clone(), parent, children, aliases, paths });
        for module in modules {
            let name = module.ident.to_string();
            let inner = folder.join(&name);
            let child = match &module.content {
                Some((_, items)) => self.add(Some(id), &file, &inner, items),
                None => {
                    let file = inner.with_extension("rs");
                    self.add(Some(id), &file, &inner, &parse(&file))
                }
            };
            self.0[id].children.insert(name, child);
        }
        id
    }

    /// The module that defines what a path in module `at` names; `None` when another crate does.
    fn definer(&self, at: Id, path: &[String], aliases: usize) -> Option<Id> {
        let (first, rest) = path.split_first()?;
        let next = match first.as_str() {
            "crate" => Some(0),
            "self" => Some(at),
            "super" => self.0[at].parent,
            name => self.0[at].children.get(name).copied(),
        };
        if let Some(next) = next {
            // What is neither a module nor an alias there is defined there.
            return Some(self.definer(next, rest, aliases).unwrap_or(next));
        }
        let alias = self.0[at].aliases.get(first).filter(|_| aliases < LONGEST_CHAIN)?;
        self.definer(at, &[alias, rest].concat(), aliases + 1)
    }

    /// A module and those above it, the root first.
    fn line(&self, id: Id) -> Vec<Id> {
        let mut line: Vec<_> = successors(Some(id), |id| self.0[*id].parent).collect();
        line.reverse();
        line
    }

    fn imports_between_siblings(&self) -> Imports {
        let mut imports = Imports::new();
        for (from, module) in self.0.iter().enumerate() {
            for path in &module.paths {
                let Some(to) = self.definer(from, path, 0) else { continue };
                let (importing, defining) = (self.line(from), self.line(to));
                let fork =
                    importing.into_iter().zip(defining).find(|(one, another)| one != another);
                if let Some(siblings) = fork {
                    let (from, to) = (module.file.display(), self.0[to].file.display());
                    let import = || format!("{from} -> {to} ({})", path.join("::"));
                    imports.entry(siblings).or_insert_with(import);
                }
            }
        }
        imports
    }

    /// The shortest cycle of each import that is part of one.
    fn cycles(&self) -> Vec<String> {
        let imports = self.imports_between_siblings();
        let mut seen = BTreeSet::new();
        let cycles = imports.keys().filter_map(|(from, to)| {
            let way = shortest_way(&imports, *to, *from)?;
            let steps: Vec<_> = way.windows(2).map(|step| (step[0], step[1])).collect();
            let steps: Vec<_> = [(*from, *to)].into_iter().chain(steps).collect();
            seen.insert(BTreeSet::from_iter(way)).then_some(steps)
        });
        let lines = |steps: Vec<(Id, Id)>| steps.iter().map(|step| imports[step].clone()).collect();
        cycles.map(lines).map(|lines: Vec<_>| lines.join("\n")).collect()
    }
}

/// From one module to another along the imports between siblings.
fn shortest_way(imports: &Imports, from: Id, to: Id) -> Option<Vec<Id>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut reached = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for (_, next) in imports.keys().filter(|(from, _)| *from == last) {
            if reached.insert(*next) {
                ways.push_back([&way[..], &[*next]].concat());
            }
        }
    }
    None
}

fn parse(file: &Path) -> Vec<Item> {
    let text = fs::read_to_string(file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).expect("Rust").items
}

/// What the items of a module name, without those of its child modules.
#[derive(Default)]
struct Found {
    aliases: BTreeMap<String, Names>,
    paths: BTreeSet<Names>,
    modules: Vec<ItemMod>,
}

impl Found {
    fn add_use(&mut self, mut path: Names, tree: &UseTree) {
        let alias = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                return self.add_use(path, &tree.tree);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_use(path.clone(), tree));
            }
            UseTree::Glob(_) => None,
            UseTree::Rename(tree) => {
                path.push(tree.ident.to_string());
                Some(tree.rename.to_string())
            }
            UseTree::Name(tree) if tree.ident == "self" => path.last().cloned(),
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
                path.last().cloned()
            }
        };
        self.paths.insert(path.clone());
        // `use name;` of another crate stands for itself.
        self.aliases.extend(alias.filter(|_| path.len() > 1).map(|alias| (alias, path)));
    }

    fn add_path(&mut self, names: impl Iterator<Item = String>) {
        let names: Names = names.collect();
        if names.len() > 1 {
            self.paths.insert(names);
        }
    }

    /// The paths in what a macro or an attribute is given, also in texts.
    fn add_tokens(&mut self, tokens: &impl ToString) {
        let text = tokens.to_string().replace(" ::", "::").replace(":: ", "::");
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for path in text.split(|c| !is_path(c)) {
            let names = path.split("::").filter(|name| !name.is_empty());
            self.add_path(names.map(str::to_owned));
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

impl Visit<'_> for Found {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &ItemMod) {
        self.modules.push(module.clone());
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.add_use(Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        self.add_path(path.segments.iter().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &Macro) {
        self.visit_path(&call.path);
        self.add_tokens(&call.tokens);
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(&list.tokens);
        }
    }
}
