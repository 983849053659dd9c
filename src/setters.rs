//! The macro that writes the chained setters of options, builders and requests, so that each option
//! is documented once, at its field.

/// Writes a chained setter for each listed field. The documentation of the setter links to that of
/// the field. A setter replaces the value; calling it again does not add to it.
///
/// ```text
/// setters! {
///     new                                   // also `new()`, from `Default`
///     LsOptions {
///         recursive: bool,                  // takes a value; a field may be `Option<bool>` as well
///     }
///     into { label: String, }               // takes whatever becomes a value
///     list { filters: Filter, }             // takes an iterator of values, for a `Vec` or an `Option<Vec>`
///     shared { cancel: CancelToken, }       // takes a reference and clones it
/// }
/// ```
macro_rules! setters {
    (
        new $name:ident { $($fields:tt)* } $($rest:tt)*
    ) => {
        impl $name {
            /// Creates the default options.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
        }

        $crate::setters::setters! { $name { $($fields)* } $($rest)* }
    };
    (
        $name:ident $(<$life:lifetime>)? { $($field:ident: $kind:ty,)* }
        $(into { $($made:ident: $of:ty,)* })?
        $(list { $($list:ident: $item:ty,)* })?
        $(shared { $($shared:ident: $handle:ty,)* })?
    ) => {
        impl $(<$life>)? $name $(<$life>)? {
            $(
                #[doc = $crate::setters::sets!($field)]
                #[must_use]
                pub fn $field(mut self, $field: $kind) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
            $($(
                #[doc = $crate::setters::sets!($made)]
                #[must_use]
                pub fn $made(mut self, $made: impl Into<$of>) -> Self {
                    let value: $of = $made.into();
                    self.$made = value.into();
                    self
                }
            )*)?
            $($(
                #[doc = $crate::setters::sets!($list)]
                /// The values replace earlier ones.
                #[must_use]
                pub fn $list(mut self, $list: impl IntoIterator<Item = $item>) -> Self {
                    let list: Vec<$item> = $list.into_iter().collect();
                    self.$list = list.into();
                    self
                }
            )*)?
            $($(
                #[doc = $crate::setters::sets!($shared)]
                #[must_use]
                pub fn $shared(mut self, $shared: &$handle) -> Self {
                    self.$shared = $shared.clone().into();
                    self
                }
            )*)?
        }
    };
}

/// The documentation of a setter: a link to the field.
macro_rules! sets {
    ($field:ident) => {
        concat!(
            "Sets [`",
            stringify!($field),
            "`](#structfield.",
            stringify!($field),
            ")."
        )
    };
}

pub(crate) use {sets, setters};
